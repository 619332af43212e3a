"""Tracks of a network that matches: by its descriptors, instead of by its tracker."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.distributed.views import ViewShare
from glance3d.models.heads.dpt import Projected
from glance3d.models.heads.track import TrackHead, TrackIterations
from glance3d.multiview.matches import Descriptors
from glance3d.multiview.matching.descriptor_tracking import FEATURE_STRIDE, DescriptorTracker
from glance3d.multiview.options import MultiviewOptions


def track_by_descriptors(
    head: TrackHead,
    projected: Projected,
    described: Descriptors,
    images: Float[Tensor, "batch views 3 height width"],
    grid: tuple[int, int],
    query_points: Float[Tensor, "batch queries 2"],
    options: MultiviewOptions,
    share: ViewShare,
) -> tuple[TrackIterations, Tensor, Tensor]:
    """What the tracker returns, with one iteration; without gradients.

    ``grid`` is rows and columns of patches. Layers are those of the share's own views; all ranks
    follow the points through the gathered maps of all views.
    """
    size = (images.shape[-2], images.shape[-1])
    head.refuse_small(size)
    maps = head.fuse(projected, size, grid).unflatten(0, (len(images), -1))
    maps = share.gathered(head.descriptors(maps))
    num_views = maps.shape[1]
    tracks = query_points[:, None].float().repeat(1, num_views, 1, 1)
    visibility, confidence = torch.ones_like(tracks[..., 0]), torch.ones_like(tracks[..., 0])
    for scene, queries in enumerate(query_points.float()):
        of_scene = described._replace(descriptors=described.descriptors[scene, None])
        tracker = DescriptorTracker(maps[scene], options, of_scene, images[scene])
        tracked = tracker.track(0, queries / FEATURE_STRIDE, range(1, num_views))
        tracks[scene, 1:] = FEATURE_STRIDE * tracked.cells
        visibility[scene, 1:], confidence[scene, 1:] = tracked.visibility, tracked.confidence
    return tracks[None], visibility, confidence
