"""The focal lengths of several cameras, each from the matches of its photos with others'.

Photos that many people took have focal lengths of their own, and seldom files that tell them. With
the focal length of one view of a pair thought to be known, the other's is the one with which the
pair's matches fit a relative pose best (Sturm, "On focal length calibration from two views", CVPR
2001). Cameras take turns, each in rounds of smaller and smaller steps.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.multiview.focal_lengths.rows import parabola_peak
from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.options import MultiviewOptions
from glance3d.multiview.relative_pose import estimate_relative_poses


@torch.no_grad()
def estimate_zooms(
    pairs: ViewPairMatches,
    learned: Float[Tensor, "batch views views 9"],
    focal_hd: Float[Tensor, " batch"],
    camera_ids: Sequence[int],
    options: MultiviewOptions,
    known: Bool[Tensor, "batch views"] | None = None,
) -> Float[Tensor, "batch views"]:
    """Each view's focal length over ``focal_hd``, the expected one, in half diagonals.

    ``camera_ids`` say which views share a camera, in every scene of the batch alike. ``learned`` is
    as in :func:`estimate_relative_poses`. Views that are ``known`` to have it, and a camera whose
    photos match no other's, keep 1.
    """
    zoom = torch.ones(len(focal_hd), len(camera_ids), device=focal_hd.device)
    cameras = torch.tensor(list(camera_ids), device=zoom.device)
    search = options.camera_zooms
    across = {
        camera: _across(pairs, cameras == camera, search.pairs_per_view * camera_ids.count(camera))
        for camera in dict.fromkeys(camera_ids)
    }
    for done in range(search.rounds):
        row = [factor ** (0.5**done) for factor in search.factors]
        for camera, others in across.items():
            is_own = cameras == camera
            scores = [
                _score(others, learned, focal_hd, torch.where(is_own, zoom * factor, zoom), options)
                - options.focal_search.prior_cost
                * _surprise(zoom * factor, is_own, search.deviation)
                for factor in row
            ]
            step = row[0] * (row[1] / row[0]) ** parabola_peak(torch.stack(scores, -1))
            has_pairs = (others.amount > 0).any(-1)
            step = torch.where(has_pairs, step, 1.0)
            moved = is_own if known is None else is_own & ~known
            zoom = torch.where(moved, zoom * step[:, None], zoom)
    return zoom


def _across(pairs: ViewPairMatches, is_own: Bool[Tensor, " views"], number: int) -> ViewPairMatches:
    """The pairs of one of a camera's views and one of another's that share most; others count 0."""
    across = is_own[pairs.first] ^ is_own[pairs.second]
    amount = torch.where(across, pairs.amount, 0.0)
    index = amount.topk(min(number, amount.shape[1]), 1).indices
    return ViewPairMatches(*(part[pairs.scene, index] for part in pairs._replace(amount=amount)))


def _surprise(
    zoom: Float[Tensor, "batch views"], is_own: Bool[Tensor, " views"], deviation: float
) -> Float[Tensor, " batch"]:
    """What a camera's focal length costs; far from what is expected, further costs little more."""
    own = torch.where(is_own, (zoom.log() / deviation).square(), 0.0).sum(-1)
    return (own / is_own.sum()).log1p()


def _score(
    pairs: ViewPairMatches,
    learned: Tensor,
    focal_hd: Tensor,
    zoom: Float[Tensor, "batch views"],
    options: MultiviewOptions,
) -> Float[Tensor, " batch"]:
    """How much of the pairs' matches fits, to the same distance in the pictures as always."""
    # Pictures are zoomed to one focal length, and then both of a pair enlarged alike.
    both = (pairs.of_first(zoom) * pairs.of_second(zoom)).sqrt()
    zoomed = pairs.zoomed(1 / zoom)
    zoomed = zoomed._replace(
        first_hd=zoomed.first_hd * both[..., None, None],
        second_hd=zoomed.second_hd * both[..., None, None],
    )
    poses = estimate_relative_poses(
        zoomed, learned, focal_hd[:, None] * both, options.relative_pose, orbits=False
    )
    share = pairs.amount / (pairs.amount.sum(-1, keepdim=True) + 1e-9)
    return (share * poses.inlier_share).sum(-1)
