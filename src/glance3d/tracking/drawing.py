"""Tracks drawn on the photos: one picture of all of them, and a short animation."""

import colorsys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image, ImageDraw
from torch import Tensor

from glance3d.files.atomic import atomic_file
from glance3d.images.clips import save_clip
from glance3d.tracking.visible import query_views
from glance3d.types import Reconstruction, Tracks

Color = tuple[int, int, int]
Picture = Callable[[int], np.ndarray]

_TILE = 360  # longest side of a photo on the sheet
_FRAME = 640  # and in the animation
_MARGIN = 6
_BACKGROUND = (24, 24, 24)
_TRAIL = 3  # how many photos back a trail reaches
_FRAME_MS = 600
_GOLDEN = 0.618034


def track_colors(tracks: Tracks) -> list[Color]:
    """A colour for each track: distinct ones for a few tracks, by position for many."""
    count = tracks.positions.shape[1]
    if count <= 24:
        hues = [(index * _GOLDEN) % 1 for index in range(count)]
        return [_color(hue, 1.0) for hue in hues]
    own = tracks.positions[query_views(tracks), torch.arange(count)]
    low, high = own.amin(0), own.amax(0)
    place = (own - low) / (high - low).clamp(min=1e-6)
    return [_color(0.85 * x, 1 - 0.45 * y) for x, y in place.tolist()]


def _color(hue: float, value: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def save_contact_sheet(
    scene: Reconstruction, picture: Picture, visible: Bool[Tensor, "views queries"], path: Path
) -> Path:
    """All photos side by side, as PNG, with what is drawn by :func:`draw_view` on each."""
    tiles = list(_drawn(scene, picture, visible, _TILE))
    width, height = (max(tile.size[axis] for tile in tiles) + _MARGIN for axis in (0, 1))
    columns = max(1, round((len(tiles) * height / width) ** 0.5))
    columns = min(len(tiles), max(columns, min(3, len(tiles))))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width + _MARGIN, rows * height + _MARGIN), _BACKGROUND)
    for index, tile in enumerate(tiles):
        at = _MARGIN + index % columns * width, _MARGIN + index // columns * height
        sheet.paste(tile, at)
    with atomic_file(path) as temporary:
        sheet.save(temporary, "PNG")
    return path


def save_animation(
    scene: Reconstruction, picture: Picture, visible: Bool[Tensor, "views queries"], path: Path
) -> Path:
    """The photos one after the other: an animated WebP, or a clip where the path says ``.mp4``."""
    frames = _same_size(list(_drawn(scene, picture, visible, _FRAME)))
    if path.suffix.lower() == ".mp4":
        return save_clip(frames, path, _FRAME_MS / 1000)
    with atomic_file(path) as temporary:
        frames[0].save(
            temporary,
            "WEBP",
            save_all=True,
            append_images=frames[1:],
            duration=_FRAME_MS,
            loop=0,
            quality=80,
        )
    return path


def _same_size(frames: list[Image.Image]) -> list[Image.Image]:
    width, height = (max(frame.size[axis] for frame in frames) for axis in (0, 1))
    padded = []
    for frame in frames:
        whole = Image.new("RGB", (width, height), _BACKGROUND)
        whole.paste(frame, ((width - frame.width) // 2, (height - frame.height) // 2))
        padded.append(whole)
    return padded


def _drawn(
    scene: Reconstruction, picture: Picture, visible: Bool[Tensor, "views queries"], side: int
) -> Iterator[Image.Image]:
    """Each photo, at most ``side`` pixels long, with its tracks."""
    assert scene.tracks is not None
    colors = track_colors(scene.tracks)
    # Trails are in each photo's own scale: photos of one scene may differ in size.
    sizes = torch.tensor([placement.original_size for placement in scene.placements])
    relative = scene.tracks.positions / sizes[:, None]
    for view, name in enumerate(scene.names):
        photo = Image.fromarray(picture(view))
        photo.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
        own = query_views(scene.tracks) == view
        draw_view(photo, relative, visible, view, own, colors)
        ImageDraw.Draw(photo).text((4, 3), name, (255, 255, 255), stroke_width=2, stroke_fill=0)
        yield photo


def draw_view(
    photo: Image.Image,
    relative: Float[Tensor, "views queries 2"],
    visible: Bool[Tensor, "views queries"],
    view: int,
    own: Bool[Tensor, " queries"],
    colors: list[Color],
) -> None:
    """One photo's tracks, drawn in place; positions are shares of the photos' width and height.

    A visible point is a filled disc with a white rim where it is the query itself; an invisible one
    is a thin ring. A trail joins it to where it was visible in the photos before.
    """
    canvas = ImageDraw.Draw(photo, "RGBA")
    width, height = photo.size
    radius = max(1.5, min(max(photo.size) / 90, 18 / max(1, len(colors)) ** 0.4))
    first = max(0, view - _TRAIL)
    for index, color in enumerate(colors):
        seen = [v for v in range(first, view + 1) if visible[v, index]]
        places = [(relative[v, index, 0] * width, relative[v, index, 1] * height) for v in seen]
        points = [(float(x), float(y)) for x, y in places]
        if len(seen) > 1 and seen[-1] == view:
            canvas.line(points, fill=(*color, 150), width=max(1, round(radius / 2)))
    for index, color in enumerate(colors):
        x, y = (relative[view, index] * relative.new_tensor([width, height])).tolist()
        if not (-radius <= x <= width + radius and -radius <= y <= height + radius):
            continue  # also where the place is not known (NaN)
        box = (x - radius, y - radius, x + radius, y + radius)
        if visible[view, index]:
            rim = (255, 255, 255, 255) if own[index] else (0, 0, 0, 160)
            canvas.ellipse(box, fill=(*color, 255), outline=rim)
        else:
            canvas.ellipse(box, outline=(*color, 170))
