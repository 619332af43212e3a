"""Draw the pictures of ``docs/tutorials`` from the photos that they use, and their true cameras.

python -m scripts.draw_tutorial_pictures examples/data docs/pictures
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageFont, ImageOps

GAP, CAPTION, INK, GRID = 6, 22, (60, 70, 76), (224, 230, 233)
CAMERA_COLOR, OTHER_COLOR = (214, 96, 32), (40, 90, 200)
METRES_PER_DEGREE = 111_320.0


def upright(path: Path) -> Image.Image:
    """A photo as its EXIF says that it is to be seen."""
    with Image.open(path) as photo:
        return ImageOps.exif_transpose(photo).convert("RGB")


def beside(panels: Sequence[tuple[str, Image.Image]], height: int) -> Image.Image:
    """Pictures of one height, each with a caption."""
    shown = []
    for _, panel in panels:
        width = round(panel.width * height / panel.height)
        shown.append(panel.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    width = sum(panel.width + GAP for panel in shown) - GAP
    page = Image.new("RGB", (width, height + CAPTION), "white")
    draw, x = ImageDraw.Draw(page), 0
    for (caption, _), panel in zip(panels, shown, strict=True):
        page.paste(panel, (x, 0))
        draw.text((x, height + 4), caption, INK, ImageFont.load_default(14))
        x += panel.width + GAP
    return page


class Map:
    """Seen from above: metres east and north, on a grid."""

    def __init__(self, low: tuple[float, float], high: tuple[float, float], pixels: int) -> None:
        self.low, self.high, self.scale = low, high, pixels / (high[0] - low[0])
        size = pixels, round((high[1] - low[1]) * self.scale)
        self.page = Image.new("RGB", size, "white")
        self.draw = ImageDraw.Draw(self.page)

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """North is above."""
        return (x - self.low[0]) * self.scale, (self.high[1] - y) * self.scale

    def grid(self, metres: float) -> None:
        """Lines so many metres apart."""
        for axis in (0, 1):
            first = math.ceil(self.low[axis] / metres)
            for number in range(first, math.floor(self.high[axis] / metres) + 1):
                at = number * metres
                ends = [(at, self.low[1]), (at, self.high[1])]
                if axis:
                    ends = [(self.low[0], at), (self.high[0], at)]
                self.draw.line([*self.pixel(*ends[0]), *self.pixel(*ends[1])], GRID)
        self.draw.text((6, 4), f"lines every {metres:g} m", INK, ImageFont.load_default(13))

    def camera(self, view: dict, length: float) -> None:
        """Where it stands, and what it sees to the left and right."""
        pose, matrix = np.array(view["cam_from_world"]), np.array(view["intrinsics"])
        center = center_of(view)
        for x in (0, view["size"][0]):
            ray = np.linalg.inv(matrix) @ [x, view["size"][1] / 2, 1] @ pose[:, :3]
            end = center + length * ray
            self.draw.line([*self.pixel(*center[:2]), *self.pixel(*end[:2])], CAMERA_COLOR, 2)
        self.disc(center[0], center[1])

    def disc(self, x: float, y: float) -> None:
        """A place."""
        u, v = self.pixel(x, y)
        self.draw.ellipse([u - 5, v - 5, u + 5, v + 5], CAMERA_COLOR, "white")

    def cross(self, x: float, y: float) -> None:
        """Another."""
        u, v = self.pixel(x, y)
        self.draw.line([u - 7, v, u + 7, v], OTHER_COLOR, 2)
        self.draw.line([u, v - 7, u, v + 7], OTHER_COLOR, 2)


def views_of(folder: Path) -> list[dict]:
    """The entries of its ``cameras.json``."""
    return json.loads((folder / "cameras.json").read_text(encoding="utf-8"))["views"]


def center_of(view: dict) -> np.ndarray:
    """Where the camera stands."""
    pose = np.array(view["cam_from_world"])
    return -pose[:, :3].T @ pose[:, 3]


def gps_of(path: Path) -> tuple[float, float]:
    """Latitude and longitude in degrees."""
    with Image.open(path) as photo:
        gps = photo.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    names = (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude)
    latitude, longitude = (
        sum(float(part) / 60**power for power, part in enumerate(gps[name])) for name in names
    )
    return latitude, longitude


def draw_phone(data: Path) -> Image.Image:
    """Every second photo, upright, beside one as it is stored."""
    names = sorted((data / "house" / "images").iterdir())
    with Image.open(names[0]) as stored:
        panels = [("as the phone stores it", stored.convert("RGB"))]
    panels += [(f"upright: {name.name}", upright(name)) for name in names[::2]]
    return beside(panels, 240)


def draw_drone(data: Path) -> Image.Image:
    """Photos, and where they were taken: truly, and by GPS."""
    views = views_of(data / "village")
    photos = [data / "village" / view["image"] for view in views]
    told = np.array([gps_of(photo) for photo in photos])
    true = np.array([center_of(view)[:2] for view in views])
    shrink = math.cos(math.radians(told[0, 0]))
    metres = (told - told.mean(0))[:, ::-1] * METRES_PER_DEGREE * [shrink, 1]
    seen = Map((-20, -24), (20, 14), 330)
    seen.grid(10)
    for (x, y), (east, north) in zip(true, metres + true.mean(0), strict=True):
        seen.disc(x, y)
        seen.cross(east, north)
    panels = [(photo.name, upright(photo)) for photo in (photos[0], photos[4])]
    return beside([*panels, ("from above: true (discs), GPS (crosses)", seen.page)], 260)


def draw_turntable(data: Path) -> Image.Image:
    """Two photos, a mask, and what counts of the photo."""
    folder = data / "turntable"
    first, later = (upright(folder / "images" / f"turn_{number}.jpg") for number in ("01", "05"))
    mask = Image.open(folder / "masks" / "turn_05.png").convert("L")
    kept = Image.composite(later, Image.new("RGB", later.size, "white"), mask)
    panels = [("turn_01.jpg", first), ("turn_05.jpg", later), ("its mask", mask)]
    return beside([*panels, ("what counts", kept)], 165)


def draw_own_cameras(data: Path) -> Image.Image:
    """The house's true cameras from above, beside what two of them see."""
    views = views_of(data / "house")
    seen = Map((-9, -9), (9, 6), 400)
    seen.grid(2)
    corners = [*seen.pixel(-3, 5), *seen.pixel(3, 0)]
    seen.draw.rectangle(corners, (236, 214, 200), INK)
    seen.draw.text((corners[0] + 34, corners[1] + 40), "the house", INK, ImageFont.load_default(13))
    for view in views:
        seen.camera(view, 3.0)
    photos = [data / "house" / view["image"] for view in (views[0], views[-1])]
    left, right = ((photo.name, upright(photo)) for photo in photos)
    return beside([left, ("the cameras of cameras.json, from above", seen.page), right], 320)


PICTURES = {
    "phone": draw_phone,
    "drone": draw_drone,
    "turntable": draw_turntable,
    "own_cameras": draw_own_cameras,
}


def save_picture(picture: Image.Image, folder: Path, name: str, quality: int) -> None:
    """Write it as a tutorial's picture, and say how large it is."""
    path = folder / f"tutorial_{name}.webp"
    picture.save(path, quality=quality, method=6)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Write them into a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    for name, draw in PICTURES.items():
        save_picture(draw(options.data), options.folder, name, quality=75)


if __name__ == "__main__":
    main()
