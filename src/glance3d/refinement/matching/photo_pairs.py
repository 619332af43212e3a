"""Which photos are matched: all with all, or of many those that are likely to overlap."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import WeightsError
from glance3d.geometry.cameras import project_points, unproject_depth
from glance3d.geometry.filter import spread_sample
from glance3d.images import Originals
from glance3d.models import Network
from glance3d.models.photo_descriptors import describe_photos
from glance3d.retrieval import choose_pairs, known_neighbours, photo_likeness
from glance3d.retrieval.pairs import Pair
from glance3d.types import Reconstruction

# Up to so many photos all pairs are matched. Of more photos each is matched with so many that are
# most alike, and with so many neighbours by name, time and position.
MAX_EXHAUSTIVE = 80
_ALIKE = 16
_NEIGHBOURS = 4
_POINTS_OF_A_VIEW = 100
# Sides of one surface, seen from more than 60 degrees apart, are hardly matched.
_LEAST_COSINE = 0.5


@dataclass(frozen=True)
class PhotoPairs:
    """Pairs (first < second) to match, None for all of them, and what they were chosen by.

    ``by`` is "all", "likeness" (of a network's descriptors of whole photos) or "poses"; ``reason``
    says why there was no network where one was to be had.
    """

    num_views: int
    pairs: tuple[Pair, ...] | None
    by: str
    model: str | None = None
    reason: str | None = None

    def describe(self) -> dict[str, str | int | None]:
        """For the report, JSON-ready."""
        everything = self.num_views * (self.num_views - 1) // 2
        number = everything if self.pairs is None else len(self.pairs)
        more = {"model": self.model, "reason": self.reason}
        said = {key: value for key, value in more.items() if value is not None}
        return {"by": self.by, "num_pairs": number, "num_possible": everything, **said}

    def warnings(self) -> list[str]:
        """That not all pairs were matched, for a person."""
        if self.pairs is None:
            return []
        chosen = (
            f"that {self.model} finds most alike"
            if self.model
            else "that see the same things by the poses before"
        )
        everything = self.describe()["num_possible"]
        because = "" if self.reason is None else f" (no network: {self.reason})"
        return [
            f"of {self.num_views} photos, {len(self.pairs)} of {everything} pairs were matched: "
            f"those {chosen}, and neighbours by name, time and position{because}"
        ]


def choose_photo_pairs(
    scene: Reconstruction,
    originals: Originals,
    network: Callable[[], Network] | None,
    *,
    progress: bool = False,
) -> PhotoPairs:
    """All pairs of a few photos; of many, as many pairs as there are photos times a number.

    By likeness where there is a network, else by the scene's cameras and depth: also where the
    network cannot be loaded, which the result says.
    """
    num_views = scene.num_views
    if num_views <= MAX_EXHAUSTIVE:
        return PhotoPairs(num_views, None, "all")
    neighbours = known_neighbours(scene.names, scene.metadata, _NEIGHBOURS)
    model, reason = _load(network)
    if model is None:
        pairs = choose_pairs(overlap_by_poses(scene), _ALIKE, also=neighbours)
        return PhotoPairs(num_views, tuple(pairs), "poses", reason=reason)
    batch = replace(originals.load(model.preprocessing), masks=scene.masks)
    likeness = photo_likeness(describe_photos(model, batch, progress=progress))
    pairs = choose_pairs(likeness, _ALIKE, also=neighbours)
    return PhotoPairs(num_views, tuple(pairs), "likeness", model.config.name)


def _load(network: Callable[[], Network] | None) -> tuple[Network | None, str | None]:
    """The network, or why there is none."""
    if network is None:
        return None, None
    try:
        return network(), None
    except WeightsError as error:
        return None, str(error)


def overlap_by_poses(scene: Reconstruction) -> Float[Tensor, "views views"]:
    """Which share of what two views look at both may see, 0 to 1, by cameras; symmetric.

    Points of each view's depth are projected into the others; nothing tells what hides them. A
    scene without depth has its points as far away as its cameras are spread.
    """
    cameras, centers = scene.cameras, scene.cameras.centers
    share = torch.zeros(scene.num_views, scene.num_views)
    for view in range(scene.num_views):
        points = _points_seen(scene, view)
        everywhere = points.expand(scene.num_views, -1, -1)
        pixels, depths = project_points(everywhere, cameras.cam_from_world, cameras.intrinsics)
        inside = ((pixels > 0) & (pixels < cameras.image_sizes[:, None])).all(-1) & (depths > 0)
        sight = torch.nn.functional.normalize(points[None] - centers[:, None], dim=-1)
        alike = (sight * sight[view]).sum(-1) > _LEAST_COSINE
        share[view] = (inside & alike).float().mean(-1)
    return (share + share.T) / 2


def _points_seen(scene: Reconstruction, view: int) -> Float[Tensor, "points 3"]:
    """Points of the surface that a view shows, spread over its picture."""
    cameras = scene.cameras.on_grid(scene.placements)
    radial = None if cameras.radial is None else cameras.radial[view]
    centers = scene.cameras.centers
    usable = scene.mask[view]
    if scene.depth is None:
        spread = (centers - centers.mean(0)).norm(dim=-1).mean().clamp(min=1e-6)
        depth = spread.expand(usable.shape)
    else:
        depth = scene.depth[view]
        usable = usable & (depth > 0) & depth.isfinite()
    points = unproject_depth(
        depth, cameras.cam_from_world[view], cameras.intrinsics[view], radial=radial
    )[usable]
    return points[spread_sample(len(points), _POINTS_OF_A_VIEW)]
