"""RGB in [0, 1] as patch embeddings want it."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.nn.tables import cached_table

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


def normalised_pixels(
    images: Float[Tensor, "views 3 height width"],
) -> Float[Tensor, "views 3 height width"]:
    """RGB in [0, 1] as the patch embedding wants it: ImageNet's mean and deviation are 0 and 1."""
    mean, std = _image_statistics(images.device)
    return (images - mean) / std


@cached_table
def _image_statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    mean, std = torch.tensor([IMAGE_MEAN, IMAGE_STD], device=device)[..., None, None]
    return mean, std
