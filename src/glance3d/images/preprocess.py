"""From an upright photo to the network's grid, and back.

First one :class:`~glance3d.types.Placement` per photo is planned, and then the pixels are computed
from the placement alone, so that pixels and the inverse mapping cannot disagree.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from glance3d.errors import ConfigError, InputError
from glance3d.images.decoding.decode import Photo, open_upright
from glance3d.images.fit import fit_sizes
from glance3d.types import Placement

Size = tuple[int, int]


@dataclass(frozen=True)
class Preprocessing:
    """How photos become the network's images.

    Modes:
        ``fit``: the whole photo at its aspect ratio, sides multiples of ``patch_size``, the canvas
            of at most ``max_pixels`` pixels (and no side above ``max_side``, if given). Photos of
            different shapes are centred on a common canvas. The default budget is that of a 4:3
            photo in the published preprocessing, 518 x 392.
        ``crop``: as published: ``size`` wide, and the central ``size`` rows.
        ``pad``: as published: the longer side ``size``, padded with white to a square.

    All resize with Pillow's antialiased bicubic: the filter of the published modes, so that a
    network sees the same sharpness in each; Lanczos rings more at the same cost.

    Raises:
        ConfigError: an unknown mode, or sizes that no image can have.
    """

    mode: str = "fit"
    size: int = 518
    max_pixels: int = 518 * 392
    patch_size: int = 14
    max_side: int | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that contradict each other."""
        if self.mode not in _LAYOUTS:
            known = ", ".join(map(repr, PREPROCESSING_MODES))
            raise ConfigError(f"unknown preprocessing mode {self.mode!r}: choose from {known}")
        if self.patch_size < 1:
            raise ConfigError(f"patch_size must be at least 1 pixel, got {self.patch_size}")
        if self.mode == "fit":
            self._check_fit()
        elif self.size < self.patch_size or self.size % self.patch_size:
            raise ConfigError(
                f"size must be a multiple of the patch size {self.patch_size}, got {self.size}"
            )

    def _check_fit(self) -> None:
        if self.max_pixels < self.patch_size**2:
            raise ConfigError(
                f"max_pixels = {self.max_pixels} is less than one patch of "
                f"{self.patch_size}x{self.patch_size} = {self.patch_size**2} pixels"
            )
        if self.max_side is not None and self.max_side < self.patch_size:
            raise ConfigError(
                f"max_side = {self.max_side} is less than one patch of {self.patch_size} pixels"
            )


#: A mode, the fields that differ from the model's own preprocessing, or a whole one.
PreprocessingChanges = str | Mapping[str, Any] | Preprocessing | None


def preprocessing_of(own: Preprocessing, changes: PreprocessingChanges) -> Preprocessing:
    """A model's own preprocessing with ``changes``.

    Raises:
        InputError: a field is unknown.
        ConfigError: the result contradicts itself.
    """
    if isinstance(changes, Preprocessing):
        return changes
    fields_to_change = changed_fields(changes)
    if "size" not in fields_to_change and own.size % own.patch_size:
        # The published size does not suit this patch: a square of the model's pixel budget does.
        side = math.isqrt(own.max_pixels) // own.patch_size * own.patch_size
        fields_to_change["size"] = max(side, own.patch_size)
    return replace(own, **fields_to_change)


def changed_fields(changes: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of a :class:`Preprocessing` that differ from the model's own.

    Raises:
        InputError: a field is unknown.
    """
    values = {"mode": changes} if isinstance(changes, str) else dict(changes or {})
    unknown = sorted(values.keys() - {field.name for field in fields(Preprocessing)})
    if unknown:
        raise InputError(f"unknown preprocessing field {', '.join(unknown)}")
    return values


def plan_placements(
    sizes: Sequence[Size], preprocessing: Preprocessing, orientations: Sequence[int] | None = None
) -> tuple[Placement, ...]:
    """Where each upright photo of these (width, height) goes, on one canvas common to all.

    ``orientations`` are the EXIF orientations to record (1 where None). The photo's share that is
    shown is centred; where that leaves an odd pixel, it is at the bottom or right.
    """
    if not sizes:
        raise InputError("got no photo sizes: at least one is needed to plan a batch")
    resized, window = _LAYOUTS[preprocessing.mode](sizes, preprocessing)
    shown = [(min(w, window[0]), min(h, window[1])) for w, h in resized]
    if preprocessing.mode == "pad":
        canvas = window
    else:
        canvas = max(w for w, _ in shown), max(h for _, h in shown)
    return tuple(
        Placement(
            original_size=size,
            processed_size=canvas,
            scale=(new[0] / size[0], new[1] / size[1]),
            offset=_centred(new, visible, canvas),
            exif_orientation=orientation,
        )
        for size, new, visible, orientation in zip(
            sizes, resized, shown, orientations or [1] * len(sizes), strict=True
        )
    )


def render(
    photo: Photo, placement: Placement, *, exact: bool = True
) -> UInt8[np.ndarray, "height width 3"]:
    """The pixels that ``placement`` describes, on white.

    With ``exact`` they are those of a bicubic resize of the fully decoded photo; without, a large
    photo may be halved a few times on the way (JPEG decoding, box filter), which is faster.
    """
    width, height = resized_size(placement)
    if exact:
        upright = open_upright(photo)
        resized = upright.resize((width, height), Image.Resampling.BICUBIC)
    else:
        upright = open_upright(photo, at_least=(2 * width, 2 * height))
        resized = upright.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    canvas = Image.new("RGB", placement.processed_size, "white")
    canvas.paste(resized, (round(placement.offset[0]), round(placement.offset[1])))
    return np.asarray(canvas)


def resized_size(placement: Placement) -> Size:
    """(width, height) of the whole photo on the network's grid, before any crop or pad."""
    (width, height), (scale_x, scale_y) = placement.original_size, placement.scale
    return round(width * scale_x), round(height * scale_y)


def _centred(resized: Size, shown: Size, canvas: Size) -> tuple[float, float]:
    x, y = (
        (whole - part) // 2 - (full - part) // 2
        for full, part, whole in zip(resized, shown, canvas, strict=True)
    )
    return float(x), float(y)


def _published_length(length: int, ratio: float, patch_size: int) -> int:
    # A panorama thinner than half a patch keeps one; the published code would fail there.
    return max(1, round(length * ratio / patch_size)) * patch_size


def _crop(sizes: Sequence[Size], config: Preprocessing) -> tuple[list[Size], Size]:
    def resized(width: int, height: int) -> Size:
        return config.size, _published_length(height, config.size / width, config.patch_size)

    return [resized(*size) for size in sizes], (config.size, config.size)


def _pad(sizes: Sequence[Size], config: Preprocessing) -> tuple[list[Size], Size]:
    def resized(width: int, height: int) -> Size:
        ratio = config.size / max(width, height)
        if width >= height:
            return config.size, _published_length(height, ratio, config.patch_size)
        return _published_length(width, ratio, config.patch_size), config.size

    return [resized(*size) for size in sizes], (config.size, config.size)


def _fit(sizes: Sequence[Size], config: Preprocessing) -> tuple[list[Size], Size]:
    shown = fit_sizes(sizes, config.patch_size, config.max_pixels, config.max_side)
    return shown, (max(w for w, _ in shown), max(h for _, h in shown))


# Per mode: the size each photo is resized to, and the window of it that may be seen.
_LAYOUTS: dict[str, Callable[[Sequence[Size], Preprocessing], tuple[list[Size], Size]]] = {
    "fit": _fit,
    "crop": _crop,
    "pad": _pad,
}
PREPROCESSING_MODES = tuple(_LAYOUTS)
