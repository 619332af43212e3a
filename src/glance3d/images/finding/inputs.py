"""Which of the files that were found are photos and clips, and why others are not used."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from glance3d.errors import ImageError
from glance3d.files.regular_file import irregular_kind
from glance3d.images.clips.frame_paths import is_clip
from glance3d.images.files.decoders import EXPORT_RAW
from glance3d.images.files.file_kinds import (
    RAW_SUFFIXES,
    READABLE_SUFFIXES,
    is_readable_content,
    looks_like_no_input,
    picture_kind,
)
from glance3d.images.finding.content import content_of
from glance3d.text import counted, first_names
from glance3d.types import SkippedPhoto

# A phone's "live photo" has a clip of a second or two beside it.
_LIVE_PHOTOS = (".heic", ".heif", ".jpeg", ".jpg")
_START = 64
_OTHER_KIND = "which is not read: export it as JPEG, PNG or TIFF"


@dataclass(frozen=True)
class ChosenInputs:
    """Photos and clips, in the given order, and files that look like some and cannot be used."""

    paths: tuple[Path, ...]
    skipped: tuple[SkippedPhoto, ...]


def choose_inputs(files: Sequence[Path]) -> ChosenInputs:
    """Photos and clips among files of one or more folders, by their names and first bytes.

    What lies beside photos (notes, sidecars) is neither chosen nor skipped.
    """
    live = {path.with_suffix("") for path in files if path.suffix.lower() in _LIVE_PHOTOS}
    chosen, skipped = [], []
    for path in files:
        if looks_like_no_input(path):
            continue
        reason = _why_not(path, live)
        if reason is None:
            chosen.append(path)
        elif reason:
            skipped.append(SkippedPhoto(str(path.absolute()), f"{path.name} {reason}"))
    return ChosenInputs(tuple(chosen), tuple(skipped))


def notes_of_copies(paths: Sequence[Path]) -> tuple[str, ...]:
    """A sentence on photos that hold the very content of one before them."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        if path.is_file():  # no frame of a clip
            by_size[path.stat().st_size].append(path)
    copies = []
    for group in (group for group in by_size.values() if len(group) > 1):
        first: dict[str, Path] = {}
        for path in group:
            try:
                before = first.setdefault(content_of(path).sha256, path)
            except ImageError:
                continue  # decoding will say why
            if before != path:
                copies.append(f"{path.name} of {before.name}")
    if not copies:
        return ()
    few = first_names(copies)
    return (
        f"{counted(len(copies), 'photo')} {'is a copy' if len(copies) == 1 else 'are copies'} of "
        f"others, which adds views but nothing new: {few}",
    )


def _why_not(path: Path, live: Collection[Path]) -> str | None:
    """None for an input; else the rest of a sentence, or nothing where it looks like no input."""
    suffix = path.suffix.lower()
    try:
        kind = irregular_kind(path.stat().st_mode)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if kind is not None:
        return f"is {kind}, not a file"
    if suffix == ".mov" and path.with_suffix("") in live:
        return "is the clip of a live photo, whose photo is used"
    if suffix in READABLE_SUFFIXES or is_clip(path):
        return None
    if suffix in RAW_SUFFIXES:
        return f"is a camera's raw file: {EXPORT_RAW}"
    return _why_not_by_content(path, suffix)


def _why_not_by_content(path: Path, suffix: str) -> str | None:
    try:
        with path.open("rb") as file:
            kind = picture_kind(file.read(_START))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not suffix:
        if kind is None:
            return ""
        return None if is_readable_content(kind) else f"holds {kind}, {_OTHER_KIND}"
    if is_readable_content(kind):
        return f"holds {kind}, but its suffix {suffix} is no photo's: rename it if it is one"
    if kind is not None:
        return f"holds {kind}, {_OTHER_KIND}"
    return f"has the unknown suffix {suffix}: export it as JPEG or PNG if it is a photo"
