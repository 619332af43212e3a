"""From linear light to a photograph: exposure, colour cast, tone curve, blur and noise."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.datasets.synthetic.draws import Draws

_BLUR_REACH = 2


def _blur(
    images: Float[Tensor, "views 3 height width"], sigma: Float[Tensor, " views"]
) -> Float[Tensor, "views 3 height width"]:
    """Gaussian blur of each view with its own deviation in pixels, up to about 1.2."""
    offsets = torch.arange(-_BLUR_REACH, _BLUR_REACH + 1, device=images.device)
    weights = torch.exp(-0.5 * (offsets / sigma[:, None]) ** 2)
    weights = weights / weights.sum(1, keepdim=True)
    for axis in (2, 3):
        pad = (0, 0, _BLUR_REACH, _BLUR_REACH) if axis == 2 else (_BLUR_REACH, _BLUR_REACH, 0, 0)
        padded = F.pad(images, pad, mode="replicate")
        length = images.shape[axis]
        out = torch.zeros_like(images)
        for tap in range(2 * _BLUR_REACH + 1):
            out.addcmul_(padded.narrow(axis, tap, length), weights[:, tap, None, None, None])
        images = out
    return images


def photograph(
    draws: Draws,
    linear: Float[Tensor, "batch views 3 height width"],
    noise_seed: int,
    num_scenes: int | None = None,
    scenes: slice = slice(None),
) -> Float[Tensor, "batch views 3 height width"]:
    """The image that a camera records of linear light, in [0, 1].

    The exposure follows the mean over all views of a scene and varies a little from view to view;
    the tone curve keeps highlights below white. The noise comes from ``noise_seed``, and is that of
    ``scenes`` of a batch of ``num_scenes`` (by default these are the batch).
    """
    batch, views = linear.shape[:2]
    mean = linear.mean((1, 2, 3, 4))
    key = draws.uniform(0.13, 0.3)
    gain = (key / mean.clamp(min=1e-4))[:, None] * torch.exp(0.16 * draws.normal(views))
    cast = torch.exp(0.06 * draws.normal(1, 3) + 0.03 * draws.normal(views, 3))
    exposed = linear * (gain[..., None] * cast)[..., None, None]
    # A shoulder that starts near 0.7, x / (1 + x^4)^(1/4), then the display's square root.
    squared = exposed * exposed
    toned = (exposed * torch.rsqrt(torch.sqrt(1 + squared * squared))).sqrt()
    contrast = draws.uniform(0.85, 1.15, views, 1, 1, 1)
    toned = 0.45 + contrast * (toned - 0.45)
    sharp = draws.uniform(0.35, 0.65, views)
    soft = draws.uniform(0.35, 1.2, views)
    sigma = torch.where(draws.chance(0.3, views), soft, sharp)
    image = _blur(toned.flatten(0, 1), sigma.flatten()).unflatten(0, (batch, views))
    generator = torch.Generator(device=linear.device).manual_seed(noise_seed)
    shape = (num_scenes or batch, *image.shape[1:])
    noise = torch.randn(shape, generator=generator, device=image.device)[scenes]
    amount = 0.002 + 0.025 * draws.unit(views, 1, 1, 1) ** 2
    return noise.mul_(amount).add_(image).clamp_(0, 1)
