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
from glance3d.images.bounds import (
    BoundedSide,
    cropped_sizes,
    nearest_sizes,
    padded_sizes,
    resize_by_bound,
)
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
            photo in the published preprocessing of VGGT, 518 x 392.
        ``crop``: as VGGT is published: ``size`` wide, and the central ``size`` rows.
        ``pad``: as VGGT is published: the longer side ``size``, padded with white to a square.
        ``upper_bound_resize``, ``upper_bound_crop``: as Depth Anything 3 is published: the longer
            side ``size``, the other resized to the nearest multiple of ``patch_size``, or cropped
            to it. Photos of different shapes are cropped to the rows and columns that all have.
        ``lower_bound_resize``, ``lower_bound_crop``: the same with the shorter side ``size``.
        ``upper_bound_pad``: the pixels of ``upper_bound_resize``, but nothing is cropped: photos of
            different shapes are centred on a common canvas, which ``max_pixels`` bounds.

    The modes of VGGT and ``fit`` resize with Pillow's antialiased bicubic: the filter of VGGT's
    published modes, so that a network sees the same sharpness in each; Lanczos rings more at the
    same cost. Those of Depth Anything 3 resize as OpenCV does (:mod:`glance3d.images.resampling`).

    What comes before is the same in all modes, and not as published: transparent photos are laid
    over white, and photos are turned upright (the published Depth Anything 3 drops transparency
    and leaves photos as they are stored). A side of less than half a patch keeps one patch.

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
        if self.mode not in _MODES:
            known = ", ".join(map(repr, PREPROCESSING_MODES))
            raise ConfigError(f"unknown preprocessing mode {self.mode!r}: choose from {known}")
        if self.patch_size < 1:
            raise ConfigError(f"patch_size must be at least 1 pixel, got {self.patch_size}")
        if self.mode in BUDGET_MODES:
            self._check_budget()
        if self.mode != "fit" and (self.size < self.patch_size or self.size % self.patch_size):
            raise ConfigError(
                f"size must be a multiple of the patch size {self.patch_size}, got {self.size}"
            )

    @property
    def is_exact(self) -> bool:
        """Whether pixels are promised to be those of the whole photo, decoded at its full size."""
        return self.mode != "fit"

    def _check_budget(self) -> None:
        if self.max_pixels < self.patch_size**2:
            raise ConfigError(
                f"max_pixels = {self.max_pixels} is less than one patch of "
                f"{self.patch_size}x{self.patch_size} = {self.patch_size**2} pixels"
            )
        if self.max_side is not None and self.max_side < self.patch_size:
            raise ConfigError(
                f"max_side = {self.max_side} is less than one patch of {self.patch_size} pixels"
            )


#: The modes that ``max_pixels`` bounds.
BUDGET_MODES = ("fit", "upper_bound_pad")

# The size that each photo is resized to, and the window of it that may be seen.
_Layout = Callable[[Sequence[Size], Preprocessing], tuple[list[Size], Size]]
# The whole photo, upright, at a (width, height).
_Resize = Callable[[Photo, Size], Image.Image]


@dataclass(frozen=True)
class _Mode:
    layout: _Layout
    resize: _Resize


#: A mode, the fields that differ from the model's own preprocessing, or a whole one.
PreprocessingChanges = str | Mapping[str, Any] | Preprocessing | None


def preprocessing_of(own: Preprocessing, changes: PreprocessingChanges) -> Preprocessing:
    """A model's own preprocessing with ``changes``.

    Raises:
        InputError: a field is unknown, or a number of pixels is given for a mode without.
        ConfigError: the result contradicts itself.
    """
    if isinstance(changes, Preprocessing):
        return changes
    fields_to_change = changed_fields(changes)
    mode = fields_to_change.get("mode", own.mode)
    if (
        "max_pixels" in fields_to_change
        and mode in PREPROCESSING_MODES
        and mode not in BUDGET_MODES
    ):
        raise InputError(
            f"max_pixels bounds the modes {' and '.join(BUDGET_MODES)}, got it for {mode}: leave "
            "it out, or choose one of these"
        )
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
    resized, window = _MODES[preprocessing.mode].layout(sizes, preprocessing)
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
    photo: Photo, placement: Placement, mode: str = "fit"
) -> UInt8[np.ndarray, "height width 3"]:
    """The pixels that ``placement`` describes, on white, resized as this mode does.

    For ``fit`` a large photo may be halved a few times on the way (JPEG decoding, box filter),
    which is faster; the others resize the fully decoded photo.
    """
    resized = _MODES[mode].resize(photo, resized_size(placement))
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


def _nearest(side: BoundedSide) -> _Layout:
    def layout(sizes: Sequence[Size], config: Preprocessing) -> tuple[list[Size], Size]:
        resized = nearest_sizes(sizes, config.size, side, config.patch_size)
        return resized, (min(w for w, _ in resized), min(h for _, h in resized))

    return layout


def _cropped(side: BoundedSide) -> _Layout:
    return lambda sizes, config: cropped_sizes(sizes, config.size, side, config.patch_size)


def _padded(sizes: Sequence[Size], config: Preprocessing) -> tuple[list[Size], Size]:
    resized = padded_sizes(sizes, config.size, config.patch_size, config.max_pixels)
    return resized, (max(w for w, _ in resized), max(h for _, h in resized))


def _resize_fast(photo: Photo, size: Size) -> Image.Image:
    upright = open_upright(photo, at_least=(2 * size[0], 2 * size[1]))
    return upright.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)


def _resize_whole(photo: Photo, size: Size) -> Image.Image:
    return open_upright(photo).resize(size, Image.Resampling.BICUBIC)


def _resize_by(side: BoundedSide) -> _Resize:
    return lambda photo, size: resize_by_bound(open_upright(photo), size, side)


_MODES = {
    "fit": _Mode(_fit, _resize_fast),
    "crop": _Mode(_crop, _resize_whole),
    "pad": _Mode(_pad, _resize_whole),
    "upper_bound_resize": _Mode(_nearest(max), _resize_by(max)),
    "upper_bound_crop": _Mode(_cropped(max), _resize_by(max)),
    "lower_bound_resize": _Mode(_nearest(min), _resize_by(min)),
    "lower_bound_crop": _Mode(_cropped(min), _resize_by(min)),
    "upper_bound_pad": _Mode(_padded, _resize_by(max)),
}
PREPROCESSING_MODES = tuple(_MODES)
