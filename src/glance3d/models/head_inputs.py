"""What the heads need of a network's layers, projected as soon as each layer is made."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.distributed.views import ViewShare
from glance3d.models.config import Output
from glance3d.models.heads.correspondence import CorrespondenceHead
from glance3d.models.heads.dpt import DPTLevels, Projected, map_views
from glance3d.multiview.matches import Descriptors
from glance3d.nn.patch_embed import StemMaps
from glance3d.nn.precision import LayerNorm

VIEWS_PER_CHUNK = 4


class HeadInputs:
    """The camera tokens, the descriptors, and the projected patch tokens of each dense head.

    A layer need not outlive :meth:`collect`. At 392 x 518 the four layers of one view are 34 MB in
    float32; what a dense head of VGGT-1B keeps of them is 6 MB in bfloat16.

    Args:
        readers: Of each output with a dense head, what projects its layers.
        camera_layer: The layer of the camera tokens; None without cameras.
        patch_start_idx: Where a view's patch tokens begin.
        batch_views: How many scenes, and how many views of each.
        image_size: (height, width).
        grid: Rows and columns of patches.
        describer: What makes descriptors of its layer; None where there are none to make.
        stem_maps: Of all views of all scenes.
        last_norm: A norm of the last part of a layer's patches; the camera token goes without it.
    """

    def __init__(
        self,
        readers: Mapping[Output, DPTLevels],
        camera_layer: int | None,
        patch_start_idx: int,
        batch_views: tuple[int, int],
        image_size: tuple[int, int],
        grid: tuple[int, int],
        describer: CorrespondenceHead | None = None,
        stem_maps: StemMaps = (),
        last_norm: LayerNorm | None = None,
    ) -> None:
        self.image_size, self.grid, self.batch_views = image_size, grid, batch_views
        self.camera_tokens: Float[Tensor, "batch views dim"] | None = None
        self.described: Descriptors | None = None
        self._describer, self._stem_maps = describer, stem_maps
        self._readers = readers
        self._last_norm = last_norm
        self._camera_layer = camera_layer
        self._patch_start_idx = patch_start_idx
        self._projected: dict[Output, dict[int, Tensor]] = {output: {} for output in readers}

    def collect(self, index: int, *parts: Float[Tensor, "batch views tokens _dim"]) -> None:
        """Read layer ``index``, whose channels may come in parts (local block, global block)."""
        if index == self._camera_layer:
            self.camera_tokens = torch.cat([part[:, :, 0] for part in parts], dim=-1)
        describer, maps = self._describer, self._stem_maps
        if describer is not None and maps and index == describer.config.layer:
            # The last part is the global block's.
            self.described = describer.describe(parts[-1][:, :, self._patch_start_idx :], maps[0])
        aspect = self.image_size[1] / self.image_size[0]
        for output, features in self._readers.items():
            for level in (i for i, layer in enumerate(features.layers) if layer == index):

                def project(
                    halves: list[Tensor], features: DPTLevels = features, level: int = level
                ) -> tuple[Tensor]:
                    patches = [half[:, self._patch_start_idx :] for half in halves]
                    if self._last_norm is not None:
                        patches[-1] = self._last_norm(patches[-1])
                    tokens = patches[0] if len(patches) == 1 else torch.cat(patches, dim=-1)
                    return (features.project(level, tokens, self.grid, aspect),)

                views = [part.flatten(0, 1) for part in parts]
                self._projected[output][level] = map_views(project, views, VIEWS_PER_CHUNK)[0]

    def gather(self, share: ViewShare) -> None:
        """Camera tokens and descriptors of all ranks' views, where these are a share of them."""
        if self.camera_tokens is not None:
            self.camera_tokens = share.gathered(self.camera_tokens)
        if self.described is not None:
            descriptors = share.gathered(self.described.descriptors)
            self.described = self.described._replace(descriptors=descriptors)

    def pop(self, output: Output) -> Projected | None:
        """What was collected for this output, finest level first; it is kept no longer."""
        projected = self._projected.pop(output, None)
        if projected is None:
            return None
        levels = [projected[level] for level in sorted(projected)]
        return self._readers[output].with_stem(levels, self._stem_maps)
