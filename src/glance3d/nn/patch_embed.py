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


class ConvStem(nn.Module):
    """Overlapping stride-2 convolutions down to the patch grid (Xiao et al. 2021), and where it is.

    A small network learns to match from far fewer images with it than with one large convolution.
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
        layers: list[nn.Module] = []
        channels = 3
        self.fine_channels = 3  # of the maps before the last halving
        for stage in range(num_stages):
            self.fine_channels = channels
            out = min(base_channels * 2**stage, embed_dim)
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
        return self.with_fine_maps(images)[0]

    def with_fine_maps(
        self, images: Float[Tensor, "views 3 height width"]
    ) -> tuple[
        Float[Tensor, "views patches dim"], Float[Tensor, "views channels fine_rows fine_columns"]
    ]:
        """Tokens, and the maps before the last halving: four of their pixels make a patch."""
        if only_predicts(images):
            step = chunk_views((images.shape[-2], images.shape[-1]), images.device)
            parts = [self._maps(part) for part in images.split(step)]
            fine, maps = (torch.cat(part) for part in zip(*parts, strict=True))
        else:
            fine, maps = self._maps(images)
        aspect = images.shape[-1] / images.shape[-2]
        place = add_uv_embedding(torch.zeros_like(maps[:1]), aspect, scale=1.0)
        tokens, place = (x.flatten(2).transpose(1, 2) for x in (maps, place))
        return tokens + self.position(place), fine

    def _maps(self, images: Float[Tensor, "views 3 height width"]) -> tuple[Tensor, Tensor]:
        """The maps before the last halving, and those after it, with a token's channels."""
        fine = self.stages[:-_LAYERS_PER_STAGE](images)
        return fine, self.proj(self.stages[-_LAYERS_PER_STAGE:](fine))
