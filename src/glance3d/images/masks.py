"""Masks: which part of each photo counts. Read, and paired with the photos by name.

A mask is an image: white keeps, black leaves out.

- Grey is kept from 128 of 255 on (from half of the range with 16 bits). A label image, of numbers
  below 128 (but not as JPEG, whose black is never quite black) or with a palette of colours, keeps
  every label but 0: its numbers count, not what they look like. Labels that are colours without a
  palette (not as JPEG, either) are kept unless they are black: a blue one is as good as a yellow.
- Of an image with transparency the alpha counts if it varies (a cut-out); else its colours do.
- ``IMG_1.jpg`` has the mask ``IMG_1.png`` (the same stem, any kind of image) or ``IMG_1.jpg.png``
  (as COLMAP names them), without regard to case and to composed or decomposed characters.
- The mask may be drawn over the upright photo or over the pixels as the camera stored them: its
  size tells, and it is then turned as the photo is. Where both have one size (a square photo, or
  one turned by 180 degrees or mirrored) the mask's own EXIF orientation decides: without one it is
  taken as upright. A mask with an orientation of its own is turned by that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Num
from PIL import Image

from glance3d.errors import ImageError, InputError
from glance3d.files.name_keys import name_key
from glance3d.images.decoding.decode import open_as_stored, read_header, turn_upright
from glance3d.images.files.decoders import decoding
from glance3d.images.files.file_kinds import READABLE_SUFFIXES
from glance3d.images.finding.sources import PathLike, natural_key
from glance3d.text import counted, first_names
from glance3d.types import Masks, PhotoMask, Reconstruction

MaskSource = PathLike | Image.Image | np.ndarray | PhotoMask
MaskSources = PathLike | Sequence[MaskSource | None]
_HALF = 0.5
_LOSSY = ("JPEG", "MPO", "WEBP", "HEIF", "AVIF")


@dataclass(frozen=True)
class MaskedPhoto:
    """Name and size of a mask's photo; ``size`` is upright, None for an unreadable photo."""

    name: str
    source: str
    size: tuple[int, int] | None
    exif_orientation: int = 1


def load_masks(
    masks: MaskSources, photos: Sequence[MaskedPhoto], others: Sequence[str] = ()
) -> Masks:
    """The mask of each photo, None for a photo without; a folder may hold those of ``others``.

    ``masks`` is a folder, or a list with a file, a Pillow image, an array (bool, or uint8 with
    white = keep, ``[height, width]``) or None for each photo.

    Raises:
        ImageError: a mask has another size than its photo, belongs to no photo, or cannot be read.
        InputError: a list of another length, or of something else.
    """
    if isinstance(masks, Sequence) and not isinstance(masks, str):
        paths = _listed(masks, photos)
    else:
        names, sources = [photo.name for photo in photos], [photo.source for photo in photos]
        paths = find_masks(masks, names, sources, others)
    return tuple(
        None if mask is None or photo.size is None else read_mask(mask, photo)
        for mask, photo in zip(paths, photos, strict=True)
    )


def masks_of_scene(folder: PathLike, scene: Reconstruction) -> Masks:
    """The masks in a folder for a scene's photos; a photo without one there keeps the one it had.

    Raises:
        ImageError: as :func:`load_masks`.
    """
    paths = find_masks(folder, scene.names, scene.sources)
    before = scene.masks or (None,) * scene.num_views
    photos = [
        MaskedPhoto(name, source, placement.original_size, placement.exif_orientation)
        for name, source, placement in zip(
            scene.names, scene.sources, scene.placements, strict=True
        )
    ]
    return tuple(
        old if file is None else read_mask(file, photo)
        for old, file, photo in zip(before, paths, photos, strict=True)
    )


def read_mask(mask: MaskSource, photo: MaskedPhoto) -> PhotoMask:
    """One mask, in the pixels of its upright photo. Raises as :func:`load_masks`."""
    if isinstance(mask, PhotoMask):
        return _of_its_photo(mask, f"the mask of {photo.name}", photo)
    if isinstance(mask, np.ndarray):
        image, orientation = _as_image(mask, photo), 1
        called = f"the mask of {photo.name}"
    elif isinstance(mask, Image.Image):
        image, orientation = open_as_stored(mask)
        called = f"the mask of {photo.name}"
    else:
        called = f"the mask {Path(mask).name}"
        _refuse_another_size(Path(mask), called, photo)
        image, orientation = open_as_stored(Path(mask))
    stored, is_exact = image.size, image.format not in _LOSSY
    if orientation != 1:
        image = turn_upright(image, orientation)
    elif photo.exif_orientation > 4 and stored != photo.size and stored[::-1] == photo.size:
        image = turn_upright(image, photo.exif_orientation)
    with decoding(called):  # a palette or its transparency may be damaged
        kept = _kept(image, is_exact)
    return _of_its_photo(PhotoMask.from_array(kept), called, photo)


def _refuse_another_size(mask: Path, called: str, photo: MaskedPhoto) -> None:
    """Before it is decoded: of whichever way up, a mask has the size of its photo."""
    size = read_header(mask).size
    if photo.size is not None and sorted(size) != sorted(photo.size):
        raise _of_another_size(size, called, photo.size, photo)


def _of_its_photo(mask: PhotoMask, called: str, photo: MaskedPhoto) -> PhotoMask:
    if mask.size == photo.size or photo.size is None:
        return mask
    raise _of_another_size(mask.size, called, photo.size, photo)


def _of_another_size(
    size: tuple[int, int], called: str, wanted: tuple[int, int], photo: MaskedPhoto
) -> ImageError:
    width, height = wanted
    stored = f" (or {height}x{width}, as it is stored)" if photo.exif_orientation > 4 else ""
    return ImageError(
        f"{called} is {size[0]}x{size[1]} pixels, but the photo {photo.name} is "
        f"{width}x{height}{stored}: a mask has the size of its photo"
    )


def _as_image(mask: np.ndarray, photo: MaskedPhoto) -> Image.Image:
    if mask.ndim != 2 or mask.dtype not in (np.bool_, np.uint8):
        raise InputError(
            f"the mask of {photo.name} must be bool or uint8 [height, width], True or white where "
            f"the photo counts, got {mask.dtype} of shape {mask.shape}"
        )
    return Image.fromarray(mask.astype(np.uint8) * (255 if mask.dtype == np.bool_ else 1))


def _kept(image: Image.Image, is_exact: bool = True) -> Bool[np.ndarray, "height width"]:
    """Which pixels a mask keeps; in a lossy file (not ``is_exact``) black is not all 0."""
    values, white = _values_of(image, is_exact)
    highest = values.max()
    if highest <= 1 or (is_exact and white > 1 and highest < _HALF * 255):
        return values > 0 if white > 1 else values >= _HALF
    return values >= np.ceil(_HALF * white) if white > 1 else values >= _HALF


def _values_of(image: Image.Image, is_exact: bool) -> tuple[Num[np.ndarray, "height width"], float]:
    """What counts in a mask, and its white."""
    if image.mode == "F":
        return np.asarray(image), 1.0
    if image.mode == "I" or image.mode.startswith("I;16"):
        return np.asarray(image), 65535.0
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
        lowest, highest = alpha.getextrema()
        if lowest != highest:
            return np.asarray(alpha), 255.0
    if image.mode == "P" and _is_coloured(image):
        labels = np.asarray(image)
        return np.minimum(labels, 1), 255.0
    colours = np.asarray(image.convert("RGB"))
    if is_exact and bool((colours != colours[..., :1]).any()):
        return colours.max(axis=-1).clip(max=1), 255.0
    return np.asarray(image.convert("RGB").convert("L")), 255.0


def _is_coloured(image: Image.Image) -> bool:
    """Whether a palette has colours, among the entries that are used: those stand for labels."""
    colours = image.convert("RGB").getcolors(256) or []
    return any(len(set(colour)) > 1 for _, colour in colours if isinstance(colour, tuple))


def _listed(
    masks: Sequence[MaskSource | None], photos: Sequence[MaskedPhoto]
) -> list[MaskSource | None]:
    if len(masks) != len(photos):
        raise InputError(
            f"got {counted(len(masks), 'mask')} for {counted(len(photos), 'photo')}: give one a "
            "photo, None for a photo that is kept whole, or a folder"
        )
    known = str | Path | Image.Image | np.ndarray | PhotoMask
    strange = [type(mask).__name__ for mask in masks if not isinstance(mask, known | None)]
    if strange:
        raise InputError(f"a mask is a file, an image, an array or None, got {strange[0]}")
    return list(masks)


def find_masks(
    folder: PathLike, names: Sequence[str], sources: Sequence[str], others: Sequence[str] = ()
) -> list[Path | None]:
    """The file in a folder that is each photo's mask; None for a photo without.

    Photos are matched by ``names`` (their names in results), or by their own file's name where no
    other has it. Masks of ``others``, photos that are not matched here, are ignored.

    Raises:
        ImageError: there are no masks, one belongs to no photo, or two differ for one photo.
    """
    path = Path(folder).expanduser()
    keys = _keys(names, sources)
    elsewhere = {key for name in others for key in _called(name)}
    paired: list[Path | None] = [None] * len(names)
    lost = []
    for file in _images_in(path):
        view = keys.get(name_key(file.stem))
        if view is None:
            lost += [] if name_key(file.stem) in elsewhere else [file.name]
            continue
        before = paired[view]
        if before is not None and not _are_equal(before, file):
            raise ImageError(
                f"{before.name} and {file.name} in {folder}/ are different masks of one photo, "
                f"{names[view]}: remove one"
            )
        paired[view] = before or file
    if lost:
        few = first_names(lost)
        known = first_names(names)
        raise ImageError(
            f"{few} in {folder}/ {'is a mask' if len(lost) == 1 else 'are masks'} without a photo: "
            f"a mask has its photo's name ({known})"
        )
    return paired


def check_mask_folder(folder: Path) -> None:
    """Refuse what cannot hold masks. Raises ``ImageError``."""
    if not folder.expanduser().is_dir():
        raise ImageError(
            f"{folder} is no folder of masks: give a folder with an image for each photo, of the "
            "same name"
        )


def _images_in(folder: Path) -> list[Path]:
    check_mask_folder(folder)
    files = [path for path in folder.iterdir() if path.is_file()]
    images = [
        path
        for path in files
        if path.suffix.lower() in READABLE_SUFFIXES and not path.name.startswith(".")
    ]
    if not images:
        raise ImageError(f"no masks in {folder}/: it holds no images")
    return sorted(images, key=natural_key)


def _keys(names: Sequence[str], sources: Sequence[str]) -> dict[str, int]:
    """What a mask's file may be called, without its suffix, for each photo."""
    keys: dict[str, int] = {}
    for view, name in enumerate(names):
        for key in _called(name):
            keys.setdefault(key, view)
    own: dict[str, set[int]] = {}
    for view, source in enumerate(sources):
        for key in _called(Path(source).name):
            own.setdefault(key, set()).add(view)
    for key, views in own.items():
        if len(views) == 1:
            keys.setdefault(key, *views)
    return keys


def _called(name: str) -> tuple[str, str]:
    return name_key(Path(name).stem), name_key(name)


def _are_equal(first: Path, second: Path) -> bool:
    """Whether two files hold the same mask, as when results were written among the masks."""
    one, other = (_kept_by_file(path) for path in (first, second))
    return one.shape == other.shape and bool((one == other).all())


def _kept_by_file(path: Path) -> Bool[np.ndarray, "height width"]:
    image, orientation = open_as_stored(path)
    return _kept(turn_upright(image, orientation), image.format not in _LOSSY)
