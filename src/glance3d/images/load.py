"""Load photos and clips as one :class:`~glance3d.types.ImageBatch`, in bounded memory.

Two passes: the headers of all photos decide their placements, then each photo is decoded, resized
and released. At no time are more full-size photos in memory than fit in a gigabyte (or one, if a
single one needs more).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from glance3d.errors import ImageError
from glance3d.images.candidates import (
    SHOWN_REASONS,
    Candidate,
    Sources,
    files_and_pictures,
    find_candidates,
    log_left_out,
    skip_photo,
)
from glance3d.images.clips import ClipSampling, OpenClips
from glance3d.images.decoding.decode import Photo, PhotoHeader, open_upright, read_header
from glance3d.images.decoding.projection import is_twice_as_wide, shows_whole_sphere
from glance3d.images.finding.content import content_of
from glance3d.images.finding.sources import FoundSources
from glance3d.images.masks import MaskedPhoto, MaskSources, load_masks
from glance3d.images.photo_memory import decoded_bytes, num_decoders
from glance3d.images.preprocess import Preprocessing, plan_placements, render
from glance3d.progress import ProgressBar
from glance3d.text import first_names
from glance3d.types import (
    ImageBatch,
    PhotoContent,
    PhotoMask,
    PhotoMetadata,
    Placement,
    SkippedPhoto,
)


@dataclass(frozen=True, eq=False)
class _View:
    """A photo whose header was read, so that its placement can be planned."""

    candidate: Candidate
    header: PhotoHeader


_Pixels = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, eq=False)
class _Rendered:
    """A photo on the network's grid, the file's content that it was read from, and its metadata."""

    pixels: _Pixels
    content: PhotoContent | None
    metadata: PhotoMetadata


def load_images(
    sources: Sources | FoundSources,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
    *,
    masks: MaskSources | None = None,
    sampling: ClipSampling = ClipSampling(),  # noqa: B008 (frozen)
    progress: bool = False,
) -> ImageBatch:
    """Load photos on the network's grid, with the mapping of its pixels to each original photo.

    Photos that cannot be read are left out with a warning in the log (``glance3d``) and listed in
    ``ImageBatch.skipped``, as are files of a folder that are no photos (raw files, unknown
    suffixes); they do not change the sizes of the others. A clip (``.mp4``, ``.mov`` ...) is
    replaced by frames of it, called ``clip_00-03.250.jpg`` by their time stamps;
    ``ImageBatch.clips`` says which and why.

    Args:
        sources: A folder, a file, a glob pattern, a list of these, or images in memory: PIL images
            or uint8 arrays ``[height, width, 3]`` (RGB), which are called ``view_000.png`` and so
            on. The first photo is the reference view. The result of ``find_sources`` is used as it
            is, results of Glance3D as well.
        preprocessing: Size and shape of the network's grid.
        masks: A folder of masks, named like the photos, or a list with one for each photo (None:
            the whole photo); see :mod:`glance3d.images.masks`.
        sampling: Which frames of a clip are used.
        progress: Show a progress bar on stderr.

    Returns:
        The batch: RGB ``[views, 3, height, width]``, bytes in ``pixels`` and floats in [0, 1] in
        ``images``, with names and placements.

    Raises:
        ImageError: nothing to read, no photo could be read, or a mask does not fit; the message
            says why.
        InputError: arrays that are no images, or paths mixed with images in memory.
        MissingExtraError: a HEIC photo without pillow-heif, or a clip without PyAV.
    """
    found_sources, pictures = files_and_pictures(sources, masks)
    skipped, clips = list(found_sources.skipped), []
    log_left_out(found_sources)
    candidates = pictures or find_candidates(found_sources, sampling, clips, skipped, progress)
    views = _read_headers(candidates, skipped)
    left_out = [Path(photo.source).name for photo in skipped]
    known = _masks(masks, candidates, views, left_out)  # before the photos, which take longer
    pixels: dict[_View, _Rendered] = {}
    placements: dict[_View, Placement] = {}
    while True:
        _refuse_none_left(views, skipped)
        planned = _plan(views, preprocessing)
        # What was rendered before a bad photo came to light stays, unless its place has changed.
        pixels = {v: pixels[v] for v in views if v in pixels and planned[v] == placements[v]}
        placements = planned
        missing = [view for view in views if view not in pixels]
        if not missing:
            break
        pixels |= _render(missing, placements, preprocessing, skipped, progress)
        views = [view for view in views if view in pixels]
    return ImageBatch(
        contents=tuple(pixels[view].content for view in views),
        metadata=tuple(pixels[view].metadata for view in views),
        pixels=_stacked(pixels, views),
        names=tuple(view.candidate.name for view in views),
        sources=tuple(view.candidate.source for view in views),
        placements=tuple(placements[view] for view in views),
        skipped=tuple(skipped),
        masks=tuple(known[view.candidate] for view in views) if known else (),
        clips=tuple(clips),
        notes=(*found_sources.notes, *_notes_of(views)),
    )


def _read_headers(candidates: Sequence[Candidate], skipped: list[SkippedPhoto]) -> list[_View]:
    views = []
    for candidate in candidates:
        try:
            header = candidate.header or read_header(candidate.photo)
            views.append(_View(candidate, header))
        except ImageError as error:
            skip_photo(candidate.source, error, skipped)
    return views


def _masks(
    masks: MaskSources | None,
    candidates: Sequence[Candidate],
    views: Sequence[_View],
    left_out: Sequence[str],
) -> dict[Candidate, PhotoMask | None]:
    """The mask of every photo that was given, those that could not be read included."""
    if masks is None:
        return {}
    headers = {view.candidate: view.header for view in views}
    photos = [
        MaskedPhoto(candidate.name, candidate.source, header.size, header.exif_orientation)
        if (header := headers.get(candidate)) is not None
        else MaskedPhoto(candidate.name, candidate.source, None)
        for candidate in candidates
    ]
    return dict(zip(candidates, load_masks(masks, photos, left_out), strict=True))


def _plan(views: Sequence[_View], preprocessing: Preprocessing) -> dict[_View, Placement]:
    placements = plan_placements(
        [view.header.size for view in views],
        preprocessing,
        [view.header.exif_orientation for view in views],
    )
    return dict(zip(views, placements, strict=True))


def _render(
    views: Sequence[_View],
    placements: dict[_View, Placement],
    preprocessing: Preprocessing,
    skipped: list[SkippedPhoto],
    progress: bool,
) -> dict[_View, _Rendered]:
    """The pixels of those views that can be decoded; the others are recorded as skipped."""

    def render_or_error(view: _View) -> _Rendered | ImageError:
        photo = view.candidate.photo
        try:
            content = content_of(photo) if isinstance(photo, Path) else None
            if view.candidate.is_frame and isinstance(photo, Path):
                photo = clips.opened(photo) or photo
                _check_frame(photo, view)
            pixels = render(photo, placements[view], preprocessing.mode)
            return _Rendered(pixels, content, _with_projection(view.header.metadata, photo, view))
        except ImageError as error:
            return error

    pixels = {}
    files = [view for view in views if not view.candidate.is_frame]
    frames = [view for view in views if view.candidate.is_frame]
    sizes = [
        decoded_bytes(view.candidate.name, placements[view], exact=preprocessing.is_exact)
        for view in views
    ]
    with ThreadPoolExecutor(num_decoders(sizes)) as pool, OpenClips() as clips:
        # Frames in order, because each is found from the one before.
        results = chain(pool.map(render_or_error, files), map(render_or_error, frames))
        shown = ProgressBar(results, "photos", len(views), disable=not progress, unit="photo")
        for view, result in zip([*files, *frames], shown, strict=True):
            if isinstance(result, ImageError):
                skip_photo(view.candidate.source, result, skipped)
            else:
                pixels[view] = result
    return pixels


def _with_projection(metadata: PhotoMetadata, photo: Photo, view: _View) -> PhotoMetadata:
    """The metadata, and what the pixels of a panorama show where its file says nothing."""
    if metadata.projection is not None or not is_twice_as_wide(view.header.size):
        return metadata
    is_sphere = shows_whole_sphere(open_upright(photo, at_least=(512, 256)))
    return replace(metadata, projection="equirectangular") if is_sphere else metadata


def _check_frame(picture: Photo, view: _View) -> None:
    """Refuse a frame of another size than its clip's first: it would be placed as that is."""
    if isinstance(picture, Image.Image) and picture.size != view.header.size:
        width, height = view.header.size
        raise ImageError(
            f"{view.candidate.name} is {picture.size[0]}x{picture.size[1]} pixels, but its clip "
            f"begins with {width}x{height}: cut the clip where its size changes"
        )


def _notes_of(views: Sequence[_View]) -> list[str]:
    """What was wrong with photos that are used nevertheless, each thing once."""
    names: dict[str, list[str]] = {}
    for view in views:
        for note in view.header.notes:
            names.setdefault(note, []).append(view.candidate.name)
    return [f"{note}: {first_names(photos)}" for note, photos in names.items()]


def _refuse_none_left(views: Sequence[_View], skipped: Sequence[SkippedPhoto]) -> None:
    if views:
        return
    reasons = "; ".join(photo.reason for photo in skipped[:SHOWN_REASONS])
    more = f"; and {len(skipped) - SHOWN_REASONS} more" if len(skipped) > SHOWN_REASONS else ""
    raise ImageError(f"none of the photos given can be used: {reasons}{more}")


def _stacked(
    rendered: dict[_View, _Rendered], views: Sequence[_View]
) -> UInt8[Tensor, "views 3 height width"]:
    """All pixels as one, of which each photo is let go as soon as it is copied."""
    stack = np.empty((len(views), *rendered[views[0]].pixels.shape), np.uint8)
    for index, view in enumerate(views):
        stack[index] = rendered.pop(view).pixels
    return torch.from_numpy(stack).permute(0, 3, 1, 2)
