"""Feature maps of all photos from one pass, kept so that points can be tracked from any view."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.images.physical_cameras import unstated_lens_ids
from glance3d.models import VGGT, Network
from glance3d.models.config import Output
from glance3d.models.heads.track import TrackHead
from glance3d.multiview.matches import Descriptors
from glance3d.multiview.matching.descriptor_tracking import FEATURE_STRIDE
from glance3d.multiview.reconcile import reconcile
from glance3d.prediction import run_as_planned
from glance3d.types import ImageBatch, Placement, Predictions


@dataclass(frozen=True)
class FeatureMaps:
    """The track head's maps of all views, made once, and where the photos lie on them.

    ``content`` is False on padding. A cell (x, y) of a map, its first cell's centre being 0, is the
    pixel ``FEATURE_STRIDE * cell + 0.5`` of the network's grid. ``described`` is what a
    correspondence head, if there is one, tells its larger cells apart by; ``images`` are what the
    network saw, for places finer than cells (None: as fine as the maps).
    """

    maps: Float[Tensor, "views channels rows columns"]
    content: Bool[Tensor, "views rows columns"]
    placements: tuple[Placement, ...]
    described: Descriptors | None = None
    images: Float[Tensor, "views 3 height width"] | None = None

    @property
    def num_views(self) -> int:
        """How many photos there are."""
        return len(self.maps)

    def to_cells(
        self, pixels_original: Float[Tensor, "queries 2"], view: int
    ) -> Float[Tensor, "queries 2"]:
        """Pixels of an original photo, on its map."""
        on_grid = self.placements[view].to_processed(pixels_original)
        return ((on_grid - 0.5) / FEATURE_STRIDE).to(self.maps.device, torch.float32)

    def to_original(
        self, cells: Float[Tensor, "queries 2"], view: int
    ) -> Float[Tensor, "queries 2"]:
        """Places on a view's map, in pixels of its original photo."""
        return self.placements[view].to_original(cells.cpu() * FEATURE_STRIDE + 0.5)

    def sees(self, pixels_original: Float[Tensor, "*n 2"], view: int) -> Bool[Tensor, "*n"]:
        """Which pixels lie in the photo and in the part of it that the network sees."""
        return self.placements[view].shows(pixels_original)


def predict_with_features(
    network: Network, batch: ImageBatch, outputs: Sequence[Output] = ()
) -> tuple[Predictions, FeatureMaps]:
    """What was asked for, and the feature maps of all views, from one pass of the aggregator.

    Without gradients and within the memory plan, as :func:`glance3d.predict`.

    Raises:
        InputError: The network has no track head, or the photos are too small for it.
        NotEnoughMemoryError: It does not fit into memory.
    """
    head = track_head_of(network)
    assert isinstance(network, VGGT)  # no other has a track head
    size = batch.image_size
    if min(size) < head.min_image_side:
        raise InputError(
            f"tracks need images of at least {head.min_image_side} pixels a side, and these are "
            f"{size[1]} x {size[0]} as the network sees them: use larger ones (max_pixels)"
        )
    wanted: tuple[Output, ...] = ("tracks", *outputs)

    def run(views: Float[Tensor, "views 3 height width"]) -> tuple[Predictions, FeatureMaps]:
        images = views[None]
        tokens = network.encode(images, network.config.layers_needed(wanted))
        maps = head.features(tokens, size, network.aggregator.grid(images))[0].float()
        features = FeatureMaps(
            maps, _content_of_maps(batch, maps), batch.placements, network.describe(tokens), views
        )
        if not outputs:
            return Predictions(size), features
        matched = network.match(tokens, images) if "camera" in outputs else None
        initial = network.initial_poses(
            matched, size, batch.focal_lengths, unstated_lens_ids(batch)
        )
        predictions = network.decode(tokens, images, outputs, initial_poses=initial)
        return reconcile(predictions), features

    return run_as_planned(network, batch, wanted, run, keeps_layers=True)


def _content_of_maps(
    batch: ImageBatch, maps: Float[Tensor, "views channels rows columns"]
) -> Bool[Tensor, "views rows columns"]:
    rows, columns = maps.shape[-2:]
    # A cell's centre is the centre of every other pixel.
    content = batch.usable_mask[
        :, : rows * FEATURE_STRIDE : FEATURE_STRIDE, : columns * FEATURE_STRIDE : FEATURE_STRIDE
    ]
    return content.to(maps.device)


def track_head_of(network: Network) -> TrackHead:
    """The network's track head.

    Raises:
        InputError: it has none.
    """
    if not isinstance(network, VGGT) or network.track_head is None:
        raise InputError(f"the model {network.config.name} has no track head: use another one")
    return network.track_head
