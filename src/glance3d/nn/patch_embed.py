"""Patches to tokens by convolution alone: one layer, or a stem of several."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.errors import ConfigError
from glance3d.nn.chunks import chunk_views
from glance3d.nn.precision import Linear, only_predicts
from glance3d.nn.uv_embedding import add_uv_embedding


class PatchConv(nn.Module):
    """One convolution whose stride is its size: each patch becomes a token, row by row."""

    def __init__(self, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(
        self, images: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views patches dim"]:
        """Tokens of every view."""
        return self.proj(images).flatten(2).transpose(1, 2)


#: A stage of a stem: convolution, norm, activation.
_LAYERS_PER_STAGE = 3
#: How many of a stem's maps are read beside its tokens.
NUM_MAPS = 2

#: A stem's maps of all views of all scenes, the coarsest first.
StemMaps = tuple[Float[Tensor, "_all_views _channels _rows _columns"], ...]


class ConvStem(nn.Module):
    """Overlapping stride-2 convolutions down to the patch grid (Xiao et al. 2021), and where it is.

    A small network whose heads read its maps beside the tokens learns to match from far fewer
    images than with one large convolution (unread, from more: ``benchmarks.ablations``).
    Convolutions are blind to where in the image they are, and rotary positions reach queries and
    keys only, never what is passed on. So each token is also told its place, by a learned reading
    of the UV code, which starts from nothing.
    """

    def __init__(self, patch_size: int, embed_dim: int, base_channels: int) -> None:
        super().__init__()
        num_stages = int(math.log2(patch_size))
        if 2**num_stages != patch_size:
            raise ConfigError(
                f"a stem halves the image: patch_size {patch_size} is no power of two"
            )
        if num_stages < NUM_MAPS + 1:
            raise ConfigError(f"a stem of patches of {patch_size} pixels has too few maps to read")
        layers: list[nn.Module] = []
        channels = 3
        stage_channels = [min(base_channels * 2**stage, embed_dim) for stage in range(num_stages)]
        #: Of the maps that are read beside the tokens, the coarsest first.
        self.map_channels = tuple(stage_channels[-2::-1][:NUM_MAPS])
        for out in stage_channels:
            layers += [
                nn.Conv2d(channels, out, 3, stride=2, padding=1),
                nn.GroupNorm(min(8, out), out),
                nn.GELU(),
            ]
            channels = out
        self.stages = nn.Sequential(*layers)
        self.proj = nn.Conv2d(channels, embed_dim, 1)
        self.position = Linear(embed_dim, embed_dim)
        nn.init.zeros_(self.position.weight)
        nn.init.zeros_(self.position.bias)

    def forward(
        self, images: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views patches dim"]:
        """Tokens of every view, row by row."""
        return self.with_maps(images)[0]

    def with_maps(
        self, images: Float[Tensor, "views 3 height width"]
    ) -> tuple[Float[Tensor, "views patches dim"], StemMaps]:
        """Tokens, and the maps before the last halvings, the coarsest first.

        Of the first, 2 x 2 pixels make a patch, of the second, 4 x 4.
        """
        if only_predicts(images):
            step = chunk_views((images.shape[-2], images.shape[-1]), images.device)
            parts = [self._maps(part) for part in images.split(step)]
            coarsest, *maps = (torch.cat(part) for part in zip(*parts, strict=True))
        else:
            coarsest, *maps = self._maps(images)
        aspect = images.shape[-1] / images.shape[-2]
        # The code depends on the grid alone: one view's serves all.
        place = add_uv_embedding(torch.zeros_like(coarsest[:1]), aspect, scale=1.0)
        tokens, place = (x.flatten(2).transpose(1, 2) for x in (coarsest, place))
        return tokens + self.position(place), tuple(maps)

    def _maps(self, images: Float[Tensor, "views 3 height width"]) -> list[Tensor]:
        """The patch grid with a token's channels, then the maps before the last halvings."""
        x, maps = images, []
        for first in range(0, len(self.stages), _LAYERS_PER_STAGE):
            x = self.stages[first : first + _LAYERS_PER_STAGE](x)
            maps.append(x)
        return [self.proj(maps[-1]), *maps[-2 : -2 - NUM_MAPS : -1]]
