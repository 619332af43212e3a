"""Query points of the first view and their true positions in all views."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.scenes import Scenes
from glance3d.datasets.synthetic.visibility import cast, seen_by

#: Each query is chosen from this many random pixels.
_CONTEST = 4


def _choose_queries(
    draws: Draws,
    image: Float[Tensor, "batch 3 height width"],
    valid: Bool[Tensor, "batch height width"],
    num_queries: int,
) -> Float[Tensor, "batch queries 2"]:
    """Random sub-pixel positions, more often on textured surfaces; on sky only if needed."""
    height, width = valid.shape[-2:]
    number = _CONTEST * num_queries
    x, y = draws.unit(number) * width, draws.unit(number) * height
    column = x.long().clamp(1, width - 2)
    row = y.long().clamp(1, height - 2)
    grey = image.mean(1).flatten(1)
    place = row * width + column

    def at(offset: int) -> Tensor:
        return grey.gather(1, place + offset)

    slope = (at(1) - at(-1)).abs() + (at(width) - at(-width)).abs()
    solid = valid.flatten(1).gather(1, place)
    score = 3 * slope.clamp(max=0.3) + draws.unit(number) + 10 * solid
    chosen = score.topk(num_queries, dim=1).indices
    return torch.stack([x.gather(1, chosen), y.gather(1, chosen)], -1)


def make_tracks(
    draws: Draws,
    scenes: Scenes,
    image: Float[Tensor, "batch 3 height width"],
    valid: Bool[Tensor, "batch height width"],
    cam_from_world: Float[Tensor, "batch views 3 4"],
    intrinsics: Float[Tensor, "batch views 3 3"],
    num_queries: int,
) -> tuple[
    Float[Tensor, "batch queries 2"],
    Float[Tensor, "batch views queries 2"],
    Bool[Tensor, "batch views queries"],
]:
    """Query points [x, y], their true positions in every view, and whether they are visible there.

    ``image`` and ``valid`` are the first view's. The surface point of a query is found by its own
    ray, and its visibility by exact rays, not by comparing depth maps. A query on the sky (only
    where the first view is nearly all sky) is visible nowhere.
    """
    height, width = valid.shape[-2:]
    views = cam_from_world.shape[1]
    queries = _choose_queries(draws, image, valid, num_queries)
    points, _, _ = cast(scenes.local_from_world, cam_from_world[:, 0], intrinsics[:, 0], queries)
    pixel = queries.long()
    solid = valid.flatten(1).gather(1, pixel[..., 1] * width + pixel[..., 0])
    tracks, seen = seen_by(
        scenes.local_from_world.repeat_interleave(views, 0),
        cam_from_world.flatten(0, 1),
        intrinsics.flatten(0, 1),
        (height, width),
        points.repeat_interleave(views, 0),
    )
    split = (len(queries), views)
    return queries, tracks.unflatten(0, split), seen.unflatten(0, split) & solid[:, None]
