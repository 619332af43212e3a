"""Photos that are upside down: a network that matches knows things only as they usually stand.

Where the photos of a scene fall apart into groups that share nothing, each is also described turned
by half a turn. A group that is then alike to the others is turned for the pass, and what the pass
says of it is turned back. Scanning rigs take such photos; a phone writes it into EXIF.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.models.network import Network
from glance3d.models.vggt.network import VGGT
from glance3d.models.vggt.view_groups import groups_of_views
from glance3d.multiview.matching.chosen_pairs import cross_likeness
from glance3d.multiview.options import UpsideDownOptions
from glance3d.multiview.reconcile import MatchedPredictions
from glance3d.retrieval import spanning_tree
from glance3d.types import Predictions

Images = Float[Tensor, "views 3 height width"]


def find_upside_down(
    network: Network,
    images: Images,
    predictions: Predictions,
    likeness: Float[Tensor, "views views"] | None,
) -> list[int]:
    """Views that are alike to the first one's group only when they are turned; often none.

    ``predictions`` are the network's of these images, ``likeness`` is :func:`likeness_of_views`.
    """
    if not isinstance(network, VGGT) or not isinstance(predictions, MatchedPredictions):
        return []
    options, head = network.config.multiview.upside_down, network.correspondence_head
    if head is None or likeness is None or len(images) < 3:
        return []
    if len(groups_of_views(likeness, options.least_likeness)) == 1:
        return []
    described = predictions.matched.described
    turned = images.flip(-1, -2)[None]
    described_turned = network.describe(network.encode(turned, (head.config.layer,)))
    assert described_turned is not None
    crossed = cross_likeness(described, described_turned)[0].tolist()
    return upside_down_views(likeness.tolist(), crossed, options)


def upside_down_views(
    upright: Sequence[Sequence[float]],
    crossed: Sequence[Sequence[float]],
    options: UpsideDownOptions,
) -> list[int]:
    """Of the likeness of every two views, and of every two with one of them turned."""
    num_views = len(upright)
    views = range(num_views)
    turns = [
        [
            crossed[v][w] >= max(options.least_likeness, options.factor * upright[v][w])
            for w in views
        ]
        for v in views
    ]
    likeness = [[crossed[v][w] if turns[v][w] else upright[v][w] for w in views] for v in views]
    is_turned = [False] * num_views
    for known, new, _ in spanning_tree(torch.tensor(likeness)):
        is_turned[new] = is_turned[known] != turns[known][new]
    return [view for view in views if is_turned[view]]


def turned_images(images: Images, views: Sequence[int]) -> Images:
    """The same images, with these by half a turn."""
    images = images.clone()
    images[views] = images[views].flip(-1, -2)
    return images


def turned_predictions(predictions: Predictions, views: Sequence[int]) -> Predictions:
    """Predictions of :func:`turned_images`, as they are of the images themselves.

    The first view is not among ``views``, so that the world stays.
    """
    turned: dict[str, Any] = {}
    for of_field in fields(predictions):
        name, value = of_field.name, getattr(predictions, of_field.name)
        if isinstance(value, Tensor) and name in _TURNS:
            axis = 2 if name.endswith("iterations") else 1
            turned[name] = value.clone()
            part = (*[slice(None)] * axis, list(views))
            turned[name][part] = _TURNS[name](value[part], predictions.image_size)
    return replace(predictions, **turned)


def _turned_pose(pose_enc: Tensor, _: tuple[int, int]) -> Tensor:
    """``[R_z(180) 0] [R t]``: the quaternion (0, 0, 1, 0) times the pose's own."""
    x, y, z, qx, qy, qz, qw, *fields_of_view = pose_enc.unbind(-1)
    quat = torch.stack([-qy, qx, qw, -qz], -1)
    quat = torch.where(quat[..., 3:] < 0, -quat, quat)
    return torch.cat([torch.stack([-x, -y, z], -1), quat, torch.stack(fields_of_view, -1)], -1)


def _turned_map(values: Tensor, _: tuple[int, int]) -> Tensor:
    return values.flip(-1, -2)


def _turned_points(values: Tensor, _: tuple[int, int]) -> Tensor:
    return values.flip(-2, -3)


def _turned_places(xy: Tensor, image_size: tuple[int, int]) -> Tensor:
    """The network counts pixels from the first one's centre."""
    height, width = image_size
    return torch.stack([width - 1 - xy[..., 0], height - 1 - xy[..., 1]], -1)


_TURNS = {
    "pose_enc": _turned_pose,
    "pose_enc_iterations": _turned_pose,
    "depth": _turned_map,
    "depth_conf": _turned_map,
    "points_world": _turned_points,
    "points_conf": _turned_map,
    "tracks": _turned_places,
    "tracks_iterations": _turned_places,
}
