"""How photos become the network's images: one noun from the front door to the loader."""

from dataclasses import dataclass, field

from glance3d.errors import InputError
from glance3d.images.candidates import Sources
from glance3d.images.clips import ClipSampling
from glance3d.images.finding.sources import FoundSources
from glance3d.images.load import load_images
from glance3d.images.masks import MaskSources
from glance3d.images.preprocess import (
    Preprocessing,
    PreprocessingChanges,
    changed_fields,
    preprocessing_of,
)
from glance3d.types import ImageBatch

_NO_MASKS = "mask_input needs masks: give masks as well"


@dataclass(frozen=True, eq=False)
class InputOptions:
    """Preprocessing of photos, their masks, and the sampling of clips.

    ``preprocess`` is a mode (such as ``"fit"``), the fields of the model's own
    :class:`Preprocessing` to change, or a whole one. ``masks`` say which part of each photo counts
    (:mod:`glance3d.images.masks`); with ``mask_input`` the network, too, sees that part alone.
    ``clips`` says which frames of clips become views.

    Raises:
        InputError: a field of the preprocessing is unknown, or ``mask_input`` comes without masks.
    """

    preprocess: PreprocessingChanges = None
    masks: MaskSources | None = None
    mask_input: bool = False
    clips: ClipSampling = field(default_factory=ClipSampling)

    def __post_init__(self) -> None:
        """Refuse contradictions that hold for any photos and any model."""
        if not isinstance(self.preprocess, Preprocessing):
            changed_fields(self.preprocess)
        if self.mask_input and self.masks is None:
            raise InputError(_NO_MASKS)

    def preprocessing(self, own: Preprocessing) -> Preprocessing:
        """Of a model whose own preprocessing is ``own``."""
        return preprocessing_of(own, self.preprocess)

    def load(
        self, sources: Sources | FoundSources, own: Preprocessing, *, progress: bool = False
    ) -> ImageBatch:
        """The photos and frames for such a model; raises as :func:`glance3d.load_images` does."""
        batch = load_images(
            sources,
            self.preprocessing(own),
            masks=self.masks,
            sampling=self.clips,
            progress=progress,
        )
        if self.mask_input and not any(batch.masks):
            raise InputError(_NO_MASKS)
        return batch
