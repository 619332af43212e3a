"""Drawn scenes among the batches of photo sets, so that other kinds of scenes are not forgotten.

Source: rehearsal, as in Robins, "Catastrophic forgetting, rehearsal and pseudorehearsal", 1995.
"""

from dataclasses import dataclass, replace
from functools import cache

from glance3d.datasets import MultiViewSample, SyntheticConfig
from glance3d.finetuning.data.stream import PhotoSetSampler, StreamOptions
from glance3d.training.data.sample_batch import SyntheticSampler
from glance3d.training.data.stream import SampleBatch


def rehearsed_scenes(general: SyntheticConfig, stream: StreamOptions) -> SyntheticConfig:
    """Scenes of the general kind in batches of the shape of photo sets', no larger than those."""
    return replace(
        general,
        images_per_batch=stream.images_per_batch,
        num_views=stream.num_views,
        num_queries=stream.num_queries,
        area_factors=(1,),
        max_pixels=min(general.max_pixels, stream.max_pixels),
    )


@dataclass(frozen=True)
class RehearsingSampler:
    """A picklable factory of batches: of photo sets, and a share of them drawn, evenly spread."""

    photos: PhotoSetSampler
    drawn: SyntheticConfig
    share: float
    seed: int

    def __call__(self) -> SampleBatch:
        """Build the sets' batches, the drawn ones when the first is asked for; their ``batch``."""
        of_photos = self.photos()
        of_drawn = cache(SyntheticSampler(self.drawn, self.seed, "train"))
        num_scenes = self.photos.options.num_scenes

        def batch(index: int) -> MultiViewSample:
            if is_rehearsal(index, self.share):
                return of_drawn()(index).of_scenes(slice(num_scenes))
            return of_photos(index)

        return batch


def is_rehearsal(index: int, share: float) -> bool:
    """Whether batch number ``index`` is a drawn one: ``share`` of them are, the first is not."""
    return int((index + 1) * share) > int(index * share)
