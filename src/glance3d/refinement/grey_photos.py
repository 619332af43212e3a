"""Photos in grey, of a size at which features are found."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor


def grey_photo(
    photo: UInt8[np.ndarray, "height width 3"], max_image_size: int
) -> tuple[Float[Tensor, "_height _width"], float]:
    """Grey levels (0 to 1) of a photo of at most this longer side, and its share of the size."""
    grey = Image.fromarray(photo).convert("L")
    scale = scale_within(grey.size, max_image_size)
    if scale < 1:
        size = round(grey.width * scale), round(grey.height * scale)
        grey = grey.resize(size, Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(grey, np.float32) / 255), scale


def scale_within(size: tuple[int, int], max_image_size: int) -> float:
    """What a photo is multiplied by to have at most this longer side; it is never enlarged."""
    return min(1.0, max_image_size / max(size))
