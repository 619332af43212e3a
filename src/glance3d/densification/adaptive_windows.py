"""Correlation in windows that follow the picture: pixels like the centre's count for more.

Around a depth edge a plain window sees two surfaces, and the better textured one wins on both sides
of the edge. Weights that fall with the difference in grey (Yoon and Kweon 2006) keep most of a
window on one surface.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from glance3d.densification.correlation import NOISE

#: Every second pixel of a window of 9 x 9 is looked at.
_RADIUS, _STRIDE = 4, 2
#: Grey (0 to 1) and distance in pixels at which a weight has fallen by 1/e, and by 1/sqrt(e).
_GREY, _DISTANCE = 0.05, 4.0


@dataclass(frozen=True)
class AdaptiveWindows:
    """One image's windows, to correlate with many others.

    As :class:`glance3d.densification.correlation.Windows`, with weights.
    """

    image: Float[Tensor, "height width"]
    weights: Float[Tensor, "neighbours height width"]
    mean: Float[Tensor, "height width"]
    inverse_deviation: Float[Tensor, "height width"]

    @classmethod
    def of(cls, image: Float[Tensor, "height width"]) -> "AdaptiveWindows":
        """Windows of ``image``, whose grey values lie about 0."""
        around = torch.stack(list(_neighbours(image)))
        offsets = torch.arange(-_RADIUS, _RADIUS + 1, _STRIDE)
        squared = (offsets[:, None] ** 2 + offsets**2).flatten()[:, None, None]
        weights = torch.exp(-(around - image).abs() / _GREY - squared / (2 * _DISTANCE**2))
        weights /= weights.sum(0)
        mean = (weights * around).sum(0)
        variance = ((weights * around * around).sum(0) - mean * mean).clamp_(min=0)
        return cls(image, weights, mean, (variance + NOISE).rsqrt())

    def correlate(
        self, others: Float[Tensor, "others height width"]
    ) -> Float[Tensor, "others height width"]:
        """The weighted correlation, -1 to 1, of every window with that of each of ``others``."""
        mean, square, product = (torch.zeros_like(others) for _ in range(3))
        parts = (others, others * others, others * self.image)
        for weight, *values in zip(self.weights, *map(_neighbours, parts), strict=True):
            for total, value in zip((mean, square, product), values, strict=True):
                total.addcmul_(weight, value)
        variance = square.addcmul_(mean, mean, value=-1).clamp_(min=0).add_(NOISE)
        covariance = product.addcmul_(mean, self.mean, value=-1)
        return covariance.mul_(self.inverse_deviation).mul_(variance.rsqrt_())


def _neighbours(images: Float[Tensor, "*batch height width"]) -> Iterator[Tensor]:
    """The images moved so that each neighbour of a pixel comes to lie on it, row by row."""
    height, width = images.shape[-2:]
    flat = images.reshape(-1, 1, height, width)
    padded = pad(flat, (_RADIUS,) * 4, mode="replicate")
    padded = padded.view(*images.shape[:-2], height + 2 * _RADIUS, width + 2 * _RADIUS)
    for dy in range(0, 2 * _RADIUS + 1, _STRIDE):
        for dx in range(0, 2 * _RADIUS + 1, _STRIDE):
            yield padded[..., dy : dy + height, dx : dx + width]
