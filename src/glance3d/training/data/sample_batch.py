"""The synthetic scenes of a training config, built in the process that samples them."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from glance3d.datasets import MultiViewSample, SyntheticConfig, SyntheticScenes
from glance3d.datasets.synthetic.stream import part_of_scenes
from glance3d.errors import ImageError
from glance3d.images import open_upright
from glance3d.training.config import TrainConfig
from glance3d.training.data.stream import BuildSampler, SampleBatch
from glance3d.training.gradients import split_scenes

_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tga")


@dataclass(frozen=True)
class SyntheticSampler:
    """A picklable factory: calling it builds the scenes and returns their ``batch`` function."""

    data: SyntheticConfig
    seed: int
    split: str
    textures: str | None = None
    compiled: bool = False
    device: str = "cpu"
    part: int = 0
    num_parts: int = 1

    @classmethod
    def of(
        cls, config: TrainConfig, split: str, part: int = 0, num_parts: int = 1
    ) -> "SyntheticSampler":
        """The scenes of a config; other splits than "train" keep procedural textures.

        Without workers the scenes are rendered on the device that trains. Of every batch only a
        part is rendered, where there are several.
        """
        training = split == "train"
        return cls(
            config.data,
            config.seed if training else 0,
            split,
            config.textures if training else None,
            config.compile_renderer and training,
            "cpu" if config.num_data_workers else config.device,
            part,
            num_parts,
        )

    def __call__(self) -> SampleBatch:
        """Build the scenes' textures and, if ``compiled``, compile the ray caster."""
        textures = None
        if self.textures is not None:
            textures = load_textures(self.textures, self.data.texture_size)
        scenes = SyntheticScenes(
            self.data,
            self.seed,
            split=self.split,
            device=self.device,
            textures=textures,
            compiled=self.compiled,
        )
        return partial(scenes.batch, part=self.part, num_parts=self.num_parts)


@dataclass(frozen=True)
class PartSampler:
    """As another sampler, of whose batches only a part is taken."""

    whole: BuildSampler
    part: int
    num_parts: int

    def __call__(self) -> SampleBatch:
        """The other's batches, cut."""
        sample_batch = self.whole()

        def sample_part(index: int) -> MultiViewSample:
            sample = sample_batch(index)
            part_of_scenes(len(sample.images), self.part, self.num_parts)  # refuses too many
            return split_scenes(sample, self.num_parts)[self.part]

        return sample_part


def load_textures(folder: str | Path, size: int) -> np.ndarray:
    """The central squares of all pictures in a folder and its subfolders, sorted by path.

    Returns ``[count, size, size, 3]``, uint8.
    """
    folder = Path(folder)
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURES)
    if not paths:
        raise ImageError(
            f"no pictures in {folder}: give a folder with textures ({', '.join(_PICTURES)}), or "
            "no folder, to use procedural ones"
        )
    return np.stack([_load_square(path, size) for path in paths])


def _load_square(path: Path, size: int) -> np.ndarray:
    image = open_upright(path)
    side = min(image.size)
    x0, y0 = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((x0, y0, x0 + side, y0 + side))
    return np.asarray(square.resize((size, size), Image.Resampling.BOX))
