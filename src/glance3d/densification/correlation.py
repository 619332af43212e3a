"""Zero-mean normalised cross-correlation of windows around every pixel, by running sums.

With the sums of I, J, I^2, J^2 and IJ over a window, its correlation is cov(I, J) / sqrt(var(I)
var(J)): the same for any gain and offset of either photo. ``NOISE`` is added to both variances, so
that windows whose contrast is that of noise and compression correlate with nothing.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

#: Variance of what is no texture: about one and a half grey levels of 255, squared.
NOISE = 3e-5


def window_mean(
    image: Float[Tensor, "*batch height width"], radius: int
) -> Float[Tensor, "*batch height width"]:
    """Mean over the square window of ``2 * radius + 1`` pixels, its edge pixels repeated outside.

    Sums of 1, 2, 4 ... neighbours are added up, which takes a handful of passes over memory that
    stays in cache, whatever the window.
    """
    size = 2 * radius + 1
    flat = image.reshape(-1, 1, *image.shape[-2:])
    padded = pad(flat, (radius,) * 4, mode="replicate")
    total = _running_sum(_running_sum(padded, size, -1), size, -2)
    return total.mul_(1 / size**2).reshape(image.shape)


def _running_sum(values: Tensor, size: int, dim: int) -> Tensor:
    """Sums of ``size`` neighbours along ``dim``; the result is ``size - 1`` shorter."""
    length = values.shape[dim] - size + 1
    total, start, power = None, 0, 1
    while power <= size:
        if size & power:
            piece = values.narrow(dim, start, length)
            total = piece if total is None else total + piece
            start += power
        if 2 * power <= size:
            rest = values.shape[dim] - power
            values = values.narrow(dim, 0, rest) + values.narrow(dim, power, rest)
        power *= 2
    assert total is not None
    return total.clone() if size == 1 else total


@dataclass(frozen=True)
class Windows:
    """One image's windows of one size: what correlating it with many others needs once."""

    image: Float[Tensor, "height width"]
    radius: int
    mean: Float[Tensor, "height width"]
    inverse_deviation: Float[Tensor, "height width"]

    @classmethod
    def of(cls, image: Float[Tensor, "height width"], radius: int) -> "Windows":
        """Windows of ``2 * radius + 1`` pixels; grey values are about 0 to 1, best around 0."""
        mean = window_mean(image, radius)
        variance = (window_mean(image * image, radius) - mean * mean).clamp_(min=0)
        return cls(image, radius, mean, (variance + NOISE).rsqrt())

    def correlate(
        self, others: Float[Tensor, "others height width"]
    ) -> Float[Tensor, "others height width"]:
        """The correlation, -1 to 1, of every window with the same one of each of ``others``."""
        stacked = torch.stack([others, others * others, others * self.image])
        mean, square, product = window_mean(stacked, self.radius)
        variance = square.addcmul_(mean, mean, value=-1).clamp_(min=0).add_(NOISE)
        covariance = product.addcmul_(mean, self.mean, value=-1)
        return covariance.mul_(self.inverse_deviation).mul_(variance.rsqrt_())
