"""How much of what a view sees other views of its set see, and groups of views that share some."""

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.cameras import camera_centers, camera_rays, project_points
from glance3d.geometry.transforms import invert, transform_points
from glance3d.photo_sets import PhotoSet
from glance3d.photo_sets.checking.depth_transfer import depth_at, sample_depth

#: Views of a group share at least this much with one before them.
LEAST_OVERLAP = 0.15
#: Views that share more are nearly the same photo, and teach little.
_SAME_PHOTO = 0.95
_POINTS = 200  # of each view
_MAP_SIDE = 96  # of the depth maps that points are looked up in
_SAME_SURFACE = 0.1  # difference of logarithms of depth
_NEAREST = 8
_TRIES = 50


def view_overlap(photos: PhotoSet) -> Float[Tensor, "views views"]:
    """The share of what each view sees, by rows, that each other view sees; 0 on the diagonal.

    By depth where the set has maps, else by the points of its model, else by where cameras are and
    look: the nearest that look less than 60 degrees apart then count as half.
    """
    if sum(path is not None for path in photos.depth_paths) >= 2:
        overlap = _by_depth(photos)
    elif photos.sparse is not None:
        overlap = _by_points(photos)
    else:
        overlap = _by_cameras(photos)
    return overlap.fill_diagonal_(0.0).float()


def _by_depth(photos: PhotoSet) -> Float[Tensor, "views views"]:
    """Points of one view that lie on the surface that another sees; 0 for views without depth."""
    views = [view for view, path in enumerate(photos.depth_paths) if path is not None]
    samples, count = sample_depth(photos, views, _POINTS, _MAP_SIDE), len(photos)
    cameras = photos.cameras.double()

    def camera(view: int) -> tuple[Tensor, Tensor | None]:
        radial = None if cameras.radial is None else cameras.radial[view].double()
        return cameras.intrinsics[view], radial

    worlds, owners = [], []
    for view, pixels, depth in zip(views, samples.pixels, samples.depth, strict=True):
        seen = camera_rays(pixels, *camera(view)) * depth[:, None]
        worlds.append(transform_points(invert(cameras.cam_from_world[view]), seen))
        owners.append(torch.full((len(depth),), view))
    overlap, every, owner = torch.zeros(count, count), torch.cat(worlds), torch.cat(owners)
    totals = torch.bincount(owner, minlength=count).clamp(min=1)
    for view, depth in zip(views, samples.maps, strict=True):
        pixels, far = project_points(every, cameras.cam_from_world[view], *camera(view))
        there = depth_at(depth, cameras.image_sizes[view], pixels)
        near = (far.clamp(min=1e-12).log() - there.clamp(min=1e-12).log()).abs() < _SAME_SURFACE
        shared = torch.bincount(owner[(far > 0) & near & (there > 0)], minlength=count)
        overlap[:, view] = shared / totals
    return overlap


def _by_points(photos: PhotoSet) -> Float[Tensor, "views views"]:
    """Points of the model that both see, over those that one sees."""
    sparse, count = photos.sparse, len(photos)
    assert sparse is not None
    index = torch.stack([sparse.view_indices, sparse.point_indices]).unique(dim=1).numpy()
    ones = np.ones(index.shape[1], np.float32)
    sees = scipy.sparse.csr_array((ones, (index[0], index[1])), shape=(count, len(sparse)))
    shared = torch.from_numpy((sees @ sees.T).toarray())
    return shared / shared.diagonal().clamp(min=1)[:, None]


def _by_cameras(photos: PhotoSet) -> Float[Tensor, "views views"]:
    cameras = photos.cameras.double()
    centers = camera_centers(cameras.cam_from_world)
    apart = torch.cdist(centers, centers).fill_diagonal_(torch.inf)
    looks = cameras.cam_from_world[:, 2, :3]  # the third row of R is where z points in the world
    apart = torch.where(looks @ looks.T > 0.5, apart, torch.inf)
    nearest = apart.topk(min(_NEAREST, len(photos) - 1), largest=False)
    overlap = torch.zeros(len(photos), len(photos))
    overlap.scatter_(1, nearest.indices, 0.5 * nearest.values.isfinite().float())
    return torch.maximum(overlap, overlap.T)


def draw_group(
    overlap: Float[Tensor, "views views"],
    allowed: list[int],
    num_views: int,
    rng: np.random.Generator,
) -> list[int] | None:
    """Views of which each shares something with one before it; None where there are none so many.

    The first is drawn from all, each of the others from those that share enough, one that is nearly
    the same photo only if there is no other. In random order.
    """
    shares = torch.minimum(overlap, overlap.T)
    for _ in range(_TRIES):
        group = [allowed[int(rng.integers(len(allowed)))]]
        while len(group) < num_views:
            others = [view for view in allowed if view not in group]
            best = shares[others][:, group].amax(1) if others else torch.zeros(0)
            near = [
                view
                for view, share in zip(others, best.tolist(), strict=True)
                if share >= LEAST_OVERLAP
            ]
            fresh = [view for view in near if float(shares[view, group].max()) < _SAME_PHOTO]
            choices = fresh or near
            if not choices:
                break
            group.append(choices[int(rng.integers(len(choices)))])
        if len(group) == num_views:
            return [group[index] for index in rng.permutation(num_views)]
    return None


def most_views(
    overlap: Float[Tensor, "views views"], allowed: list[int], wanted: int, name: str
) -> int:
    """As many views as a group of these can have, at most ``wanted``.

    Raises:
        InputError: no two of them overlap.
    """
    rng = np.random.default_rng(0)
    for count in range(min(wanted, len(allowed)), 1, -1):
        if draw_group(overlap, allowed, count, rng) is not None:
            return count
    raise InputError(
        f"{name} must have two photos that share at least {LEAST_OVERLAP:.0%} of what they see, "
        f"got {len(allowed)} that do not: is its geometry right (glance3d finetune check)?"
    )
