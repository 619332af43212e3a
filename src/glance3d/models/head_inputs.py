"""What the heads read of the aggregator's layers, taken as soon as each layer is made."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.models.config import Output
from glance3d.models.heads.correspondence import CorrespondenceHead
from glance3d.models.heads.dpt import DPTFeatures, Projected, map_views
from glance3d.multiview.matches import Descriptors
from glance3d.nn.patch_embed import StemMaps

VIEWS_PER_CHUNK = 4


class HeadInputs:
    """The projected patch tokens that each dense head keeps, the camera tokens, and descriptions.

    A layer need not outlive :meth:`take`. At 392 x 518 the four layers of one view are 34 MB in
    float32; what a dense head of VGGT-1B keeps of them is 6 MB in bfloat16.
    """

    def __init__(
        self,
        readers: Mapping[Output, DPTFeatures],
        camera_layer: int | None,
        patch_start_idx: int,
        batch_views: tuple[int, int],
        image_size: tuple[int, int],
        grid: tuple[int, int],
        describer: CorrespondenceHead | None = None,
        stem_maps: StemMaps = (),
    ) -> None:
        self.image_size, self.grid, self.batch_views = image_size, grid, batch_views
        self.camera_tokens: Float[Tensor, "batch views dim"] | None = None
        self.described: Descriptors | None = None
        self._describer, self._stem_maps = describer, stem_maps
        self._readers = readers
        self._camera_layer = camera_layer
        self._patch_start_idx = patch_start_idx
        self._kept: dict[Output, dict[int, Tensor]] = {output: {} for output in readers}

    def take(self, index: int, *parts: Float[Tensor, "batch views tokens _dim"]) -> None:
        """Read layer ``index``, whose channels may come in parts (frame block, global block)."""
        if index == self._camera_layer:
            self.camera_tokens = torch.cat([part[:, :, 0] for part in parts], dim=-1)
        describer, maps = self._describer, self._stem_maps
        if describer is not None and maps and index == describer.config.layer:
            self.described = describer.describe(parts[-1][:, :, self._patch_start_idx :], maps[0])
        aspect = self.image_size[1] / self.image_size[0]
        for output, features in self._readers.items():
            for level in (i for i, layer in enumerate(features.layers) if layer == index):

                def project(
                    halves: list[Tensor], features: DPTFeatures = features, level: int = level
                ) -> tuple[Tensor]:
                    patches = [half[:, self._patch_start_idx :] for half in halves]
                    tokens = patches[0] if len(patches) == 1 else torch.cat(patches, dim=-1)
                    return (features.project(level, tokens, self.grid, aspect),)

                views = [part.flatten(0, 1) for part in parts]
                self._kept[output][level] = map_views(project, views, VIEWS_PER_CHUNK)[0]

    def give(self, output: Output) -> Projected | None:
        """What was read for this output, finest level first; it is kept no longer."""
        kept = self._kept.pop(output, None)
        if kept is None:
            return None
        levels = [kept[level] for level in sorted(kept)]
        return self._readers[output].with_stem(levels, self._stem_maps)
