"""Draw the photos of the tutorials: a house by a phone and by a camera that walks, a village from a
drone, a box on a turntable.

    python -m scripts.draw_example_photos examples/data

Each folder has ``images/`` and true cameras in metres (``cameras.json``), as ``glance3d evaluate``
and ``--cameras`` read them. The phone's photos lie on their side and say so in EXIF; the drone's
say where they were taken; the turntable's background does not turn, and ``masks/`` leave it out.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageDraw, ImageFont

from glance3d.datasets.synthetic.trajectories import look_at
from glance3d.formats.cameras_json import (
    CAMERAS_FILE,
    CamerasFile,
    CamerasFileView,
    write_cameras_file,
)
from glance3d.images.clips.encode import save_clip
from glance3d.types.images import FILM_DIAGONAL_MM

WORDS = ("TEA", "SALT", "RICE", "SOAP", "BOOK")
QUALITY = 86
SUPERSAMPLED = 2
LIGHT = np.array([0.35, -0.8, 0.5]) / np.linalg.norm([0.35, -0.8, 0.5])
#: Where the village lies: latitude and longitude in degrees, altitude of its ground in metres.
PLACE = (46.9481, 7.4474, 542.5)
METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class Face:
    """A rectangle with a picture: its first corner, and its two sides; alpha 0 is a hole."""

    corner: np.ndarray
    right: np.ndarray
    down: np.ndarray
    picture: np.ndarray

    def turned(self, angle: float) -> "Face":
        """About the world's z axis, in radians."""
        turn = np.array(
            [
                [math.cos(angle), -math.sin(angle), 0],
                [math.sin(angle), math.cos(angle), 0],
                [0, 0, 1],
            ]
        )
        return replace(
            self, corner=turn @ self.corner, right=turn @ self.right, down=turn @ self.down
        )


@dataclass(frozen=True)
class Camera:
    """A centred pinhole: its size in pixels, its focal length on 35 mm film, its pose."""

    size: tuple[int, int]
    focal_35mm: float
    cam_from_world: np.ndarray

    @property
    def intrinsics(self) -> np.ndarray:
        """In pixels; the top-left pixel's centre is (0.5, 0.5)."""
        width, height = self.size
        focal = self.focal_35mm * math.hypot(width, height) / FILM_DIAGONAL_MM
        return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])

    @property
    def center(self) -> np.ndarray:
        """In the world."""
        return -self.cam_from_world[:, :3].T @ self.cam_from_world[:, 3]


def camera_at(
    eye: Sequence[float], aim: Sequence[float], size: tuple[int, int], focal: float, roll: float = 0
) -> Camera:
    """A camera that looks at a place."""
    center = torch.tensor(eye, dtype=torch.float64)
    forward = torch.tensor(aim, dtype=torch.float64) - center
    pose = look_at(center.float(), forward.float(), torch.tensor(float(roll)))
    return Camera(size, focal, pose.double().numpy())


def draw_photo(faces: Sequence[Face], camera: Camera) -> tuple[Image.Image, np.ndarray]:
    """What the camera sees, and which pixels see a face: the nearest face along every ray."""
    width, height = (SUPERSAMPLED * side for side in camera.size)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    inverse = np.linalg.inv(camera.intrinsics)
    rays = np.stack([x / SUPERSAMPLED, y / SUPERSAMPLED, np.ones_like(x)], -1) @ inverse.T
    rays = (rays @ camera.cam_from_world[:, :3]).astype(np.float32)
    colors = sky(rays)
    nearest = np.full((height, width), np.inf, np.float32)
    for face in faces:
        part = window_of(face, camera)
        _draw_face(face, camera, rays[part], colors[part], nearest[part])
    pixels = Image.fromarray((colors.clip(0, 1) * 255).astype(np.uint8))
    return pixels.reduce(SUPERSAMPLED), np.isfinite(nearest[::SUPERSAMPLED, ::SUPERSAMPLED])


def window_of(face: Face, camera: Camera) -> tuple[slice, slice]:
    """Rows and columns in which the face may be seen; all of them where it reaches behind."""
    corners = face.corner + np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) @ [face.right, face.down]
    seen = corners @ camera.cam_from_world[:, :3].T + camera.cam_from_world[:, 3]
    if (seen[:, 2] < 0.05).any():
        return slice(None), slice(None)
    pixels = (seen @ camera.intrinsics.T)[:, :2] / seen[:, 2:] * SUPERSAMPLED
    (left, top), (right, bottom) = np.maximum([pixels.min(0) - 1, pixels.max(0) + 2], 0).astype(int)
    return slice(top, bottom), slice(left, right)


def _draw_face(
    face: Face, camera: Camera, rays: np.ndarray, colors: np.ndarray, nearest: np.ndarray
) -> None:
    normal = np.cross(face.right, face.down)
    normal /= np.linalg.norm(normal)
    facing = rays @ normal.astype(np.float32)
    away = ((face.corner - camera.center) @ normal) / np.where(facing == 0, 1e-9, facing)
    # Where a ray meets the plane, along both sides: between 0 and 1 on the face.
    start = camera.center - face.corner
    along, across = (
        (start @ side + away * (rays @ side.astype(np.float32))) / (side @ side)
        for side in (face.right, face.down)
    )
    seen = (away > 0.05) & (away < nearest) & (along >= 0) & (along < 1)
    seen &= (across >= 0) & (across < 1)
    rows, columns = face.picture.shape[:2]
    texels = face.picture[(across[seen] * rows).astype(int), (along[seen] * columns).astype(int)]
    solid = texels[:, 3] > 0.5
    seen[seen] = solid
    colors[seen] = texels[solid, :3] * (0.62 + 0.38 * abs(float(normal @ LIGHT)))
    nearest[seen] = away[seen]


def sky(rays: np.ndarray) -> np.ndarray:
    """Blue above, pale below."""
    up = (rays[..., 2] / np.linalg.norm(rays, axis=-1)).clip(0, 1)[..., None]
    return (1 - up) * np.array([0.86, 0.9, 0.94]) + up * np.array([0.35, 0.55, 0.85])


def noise(random: np.random.Generator, height: int, width: int, cells: Sequence[int]) -> np.ndarray:
    """Between -1 and 1, of several sizes of cells in pixels, larger ones stronger."""
    total = np.zeros((height, width))
    for cell in cells:
        grid = random.random((height // cell + 2, width // cell + 2), dtype=np.float32)
        smooth = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += (2 * np.asarray(smooth) - 1) / len(cells)
    return total


def rough(random: np.random.Generator, picture: Image.Image, strength: float) -> np.ndarray:
    """A picture with noise on it, as colours between 0 and 1 with alpha."""
    pixels = np.asarray(picture.convert("RGBA"), dtype=np.float32) / 255
    spots = noise(random, picture.height, picture.width, (2, 5, 12, 30))
    colors = (pixels[..., :3] * (1 + strength * spots[..., None])).clip(0, 1)
    return np.concatenate([colors, pixels[..., 3:]], -1)


def grass(random: np.random.Generator, side: int) -> np.ndarray:
    """Green, with a path, stones and flowers."""
    picture = Image.new("RGB", (side, side), (92, 124, 60))
    draw = ImageDraw.Draw(picture)
    for _ in range(side // 2):
        x, y, r = *random.integers(0, side, 2), int(random.integers(1, max(2, side // 110)))
        tone = int(random.integers(90, 210))
        color = (tone, tone - 8, tone - 20) if random.random() < 0.6 else (tone, tone // 3, 40)
        draw.ellipse([x - r, y - r, x + r, y + r], color)
    return rough(random, picture, 0.75)


def wall(random: np.random.Generator, width: int, height: int, words: str = "") -> np.ndarray:
    """Bricks, two windows, a door and a plate; sizes in pixels."""
    picture = Image.new("RGB", (width, height), (205, 195, 180))
    draw = ImageDraw.Draw(picture)
    brick, tall = height // 9, height // 22
    for row in range(0, height, tall):
        for column in range(-brick, width, brick):
            x = column + (row // tall % 2) * brick // 2
            red = int(random.integers(120, 190))
            color = (red, red * 6 // 10, red * 5 // 10)
            draw.rectangle([x, row, x + brick - 2, row + tall - 2], color)
    for left in (0.1, 0.66):
        box = [left * width, 0.25 * height, (left + 0.22) * width, 0.62 * height]
        draw.rectangle(box, (235, 235, 225), (60, 50, 40), 3)
        for pane in range(4):
            x = box[0] + 5 + (pane % 2) * 0.11 * width
            y = box[1] + 5 + (pane // 2) * 0.18 * height
            tone = int(random.integers(40, 120))
            draw.rectangle(
                [x, y, x + 0.09 * width, y + 0.15 * height], (tone, tone + 20, tone + 45)
            )
    if words:
        draw.rectangle(
            [0.42 * width, 0.35 * height, 0.58 * width, height], (40, 80, 70), (20, 30, 30), 3
        )
        draw.text(
            (0.43 * width, 0.2 * height),
            words,
            (250, 240, 200),
            ImageFont.load_default(height // 9),
        )
    return rough(random, picture, 0.35)


def tiles(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A roof's."""
    picture = Image.new("RGB", (width, height), (70, 40, 35))
    draw = ImageDraw.Draw(picture)
    step = max(6, height // 14)
    for row in range(0, height, step):
        for x in range(-step, width, step):
            tone = int(random.integers(95, 185))
            left = x + (row // step % 2) * step // 2
            draw.rounded_rectangle(
                [left, row, left + step - 2, row + step], step // 3, (tone, tone // 2, tone // 3)
            )
    return rough(random, picture, 0.3)


def gable(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A triangle of boards; the rest is a hole."""
    picture = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.polygon([(0, height), (width // 2, 0), (width, height)], (150, 120, 85, 255))
    for x in range(0, width, max(6, width // 18)):
        top = height - 2 * min(x, width - x) * height // width
        draw.line([x, top, x, height], (95, 70, 50, 255), 2)
    return rough(random, picture, 0.4)


def leaves(random: np.random.Generator, side: int) -> np.ndarray:
    """A hedge's."""
    return rough(random, Image.new("RGB", (side, side), (62, 104, 48)), 0.95)


def box(
    low: Sequence[float], high: Sequence[float], pictures: Sequence[np.ndarray]
) -> Iterator[Face]:
    """Four sides (front, right, back, left; the front looks to -y) and a top."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    down = np.array([0, 0, z0 - z1])
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    for number, (start, end) in enumerate(zip(corners, corners[1:] + corners[:1], strict=True)):
        right = np.array([end[0] - start[0], end[1] - start[1], 0.0])
        yield Face(np.array([*start, z1], dtype=float), right, down, pictures[number])
    yield Face(
        np.array([x0, y1, z1], dtype=float),
        np.array([x1 - x0, 0.0, 0]),
        np.array([0.0, y0 - y1, 0]),
        pictures[4],
    )


def house(
    random: np.random.Generator, x: float, y: float, size: tuple[float, float, float], words: str,
    detail: int,
) -> Iterator[Face]:  # fmt: skip
    """A house in the middle of whose front is (x, y); ``detail`` in pixels a metre."""
    wide, deep, tall = size
    pixels = [max(16, int(length * detail)) for length in size]
    low, high = (x - wide / 2, y, 0), (x + wide / 2, y + deep, tall)
    sides = [
        wall(random, pixels[side], pixels[2], words if number == 0 else "")
        for number, side in enumerate((0, 1, 0, 1))
    ]
    yield from box(low, high, [*sides, tiles(random, 16, 16)])
    ridge, over = tall + 0.38 * deep, 0.3
    for edge in (y, y + deep):
        outward = -over if edge == y else over
        start = np.array([x - wide / 2 - over, y + deep / 2, ridge])
        slope = np.array([0, edge + outward - start[1], (tall - ridge) * (1 + 2 * over / deep)])
        picture = tiles(random, pixels[0], pixels[1] // 2)
        yield Face(start, np.array([wide + 2 * over, 0, 0]), slope, picture)
    for side in (x - wide / 2, x + wide / 2):
        yield Face(
            np.array([side, y, ridge]),
            np.array([0, deep, 0.0]),
            np.array([0, 0, tall - ridge]),
            gable(random, pixels[1], max(16, int(0.38 * deep * detail))),
        )


def lawn(random: np.random.Generator, half: float, pixels: int) -> Face:
    """Grass on a square about the origin, ``half`` of its side in metres."""
    corner = np.array([-half, half, 0.0])
    picture = grass(random, pixels)
    return Face(corner, np.array([2.0 * half, 0, 0]), np.array([0, -2.0 * half, 0]), picture)


def garden(random: np.random.Generator) -> list[Face]:
    """One house, with a hedge, boxes and a bench before it."""
    faces = [lawn(random, 15, 1100), *house(random, 0, 0, (6, 5, 2.8), "No. 12", 90)]
    hedge = [leaves(random, 180) for _ in range(5)]
    for low, high in (
        ((-6.5, -0.5, 0), (-3.8, 0.3, 1.3)),
        ((3.6, -1.2, 0), (4.6, 0.2, 1.9)),
        ((-9, 7, 0), (9, 8, 3.2)),
    ):
        faces += box(low, high, hedge)
    crate = [parcel(random, 90, 70, number) for number in range(5)]
    for low, high in (
        ((-1.9, -1.3, 0), (-1.0, -0.7, 0.6)),
        ((1.2, -1.0, 0), (2.3, -0.5, 0.45)),
        ((1.35, -0.95, 0.45), (1.9, -0.55, 0.85)),
    ):
        faces += box(low, high, crate)
    return faces


def village(random: np.random.Generator) -> list[Face]:
    """Houses and trees, seen from above."""
    faces = [lawn(random, 70, 1400)]
    for x, y, wide, deep, tall in (
        (-18, -14, 11, 8, 4), (6, -16, 8, 8, 5), (22, 0, 12, 9, 4), (-4, 4, 10, 9, 6),
        (-24, 12, 9, 7, 4), (10, 20, 13, 8, 5), (-12, 26, 8, 8, 4),
    ):  # fmt: skip
        faces += house(random, x, y, (wide, deep, tall), "", 12)
    for _ in range(14):
        x, y = random.uniform(-34, 34, 2)
        side, tall = random.uniform(1.2, 2.6), random.uniform(3, 7)
        tree = [leaves(random, 40) for _ in range(5)]
        faces += box((x - side, y - side, 0), (x + side, y + side, tall), tree)
    return faces


def parcel(random: np.random.Generator, width: int, height: int, number: int) -> np.ndarray:
    """A printed side of a box."""
    base = [(196, 160, 110), (70, 110, 150), (180, 70, 60), (90, 140, 90), (215, 200, 160)][
        number % 5
    ]
    picture = Image.new("RGB", (width, height), base)
    draw = ImageDraw.Draw(picture)
    for _ in range(14):
        x, y = random.integers(0, width), random.integers(0, height)
        w, h = random.integers(width // 20, width // 4), random.integers(height // 20, height // 4)
        color = tuple(int(value) for value in random.integers(20, 240, 3))
        (draw.ellipse if random.random() < 0.4 else draw.rectangle)([x, y, x + w, y + h], color)
    for line in range(4):
        text = f"{WORDS[random.integers(len(WORDS))]} {random.integers(100, 999)}"
        place = int(random.integers(0, width // 2)), line * height // 4
        color = (20, 20, 30) if line % 2 else (250, 250, 240)
        draw.text(place, text, color, ImageFont.load_default(max(8, height // 6)))
    return rough(random, picture, 0.3)


def thing(random: np.random.Generator) -> list[Face]:
    """Two boxes on each other, in metres."""
    sides = [parcel(random, 240, 170, number) for number in range(5)]
    upper = [parcel(random, 150, 120, number + 2) for number in range(5)]
    faces = [*box((-0.16, -0.1, 0), (0.16, 0.1, 0.2), sides)]
    return faces + [
        face.turned(0.5) for face in box((-0.09, -0.06, 0.2), (0.09, 0.06, 0.33), upper)
    ]


def workshop(random: np.random.Generator) -> list[Face]:
    """A table and the wall behind it."""
    top = rough(random, Image.new("RGB", (420, 420), (150, 115, 80)), 0.5)
    shelf = parcel(random, 500, 300, 4)
    return [
        Face(np.array([-1.2, 0.9, -0.002]), np.array([2.4, 0, 0]), np.array([0, -2.0, 0]), top),
        Face(np.array([-1.2, 0.9, 1.3]), np.array([2.4, 0, 0]), np.array([0, 0, -1.3]), shelf),
    ]


def exif_of(
    camera: Camera, number: int, device: str, position: np.ndarray | None = None
) -> Image.Exif:
    """What a phone or a drone writes into its photos."""
    exif, base = Image.Exif(), ExifTags.Base
    exif[base.Make], exif[base.Model] = "Drawn", device
    photo = exif.get_ifd(ExifTags.IFD.Exif)
    photo[base.FocalLengthIn35mmFilm] = round(camera.focal_35mm)
    photo[base.DateTimeOriginal] = f"2026:05:01 10:00:{4 * number:02d}"
    if position is not None:
        gps, names = exif.get_ifd(ExifTags.IFD.GPSInfo), ExifTags.GPS
        north = PLACE[0] + position[1] / METRES_PER_DEGREE
        east = PLACE[1] + position[0] / (METRES_PER_DEGREE * math.cos(math.radians(PLACE[0])))
        gps[names.GPSLatitudeRef], gps[names.GPSLatitude] = "N", (north, 0.0, 0.0)
        gps[names.GPSLongitudeRef], gps[names.GPSLongitude] = "E", (east, 0.0, 0.0)
        gps[names.GPSAltitudeRef], gps[names.GPSAltitude] = b"\x00", PLACE[2] + position[2]
    return exif


def save_cameras(folder: Path, names: Sequence[str], cameras: Sequence[Camera], about: str) -> None:
    """The truth."""
    views = tuple(
        CamerasFileView(
            f"images/{name}",
            camera.size,
            torch.from_numpy(camera.intrinsics.round(6)),
            torch.from_numpy(camera.cam_from_world.round(6)),
        )
        for name, camera in zip(names, cameras, strict=True)
    )
    file = CamerasFile(folder.name, "", "metre", True, None, views, about=about)
    write_cameras_file(folder / CAMERAS_FILE, file)


def draw_house(out: Path) -> None:
    """By a phone, upright: stored on its side, as phones do it."""
    faces = garden(np.random.default_rng(1))
    cameras, names = [], []
    for number, angle in enumerate(np.linspace(-42, 42, 8)):
        turn = math.radians(angle)
        eye = [
            7.6 * math.sin(turn),
            1.2 - 8.4 * math.cos(turn),
            1.6 + 0.12 * math.sin(2.3 * number),
        ]
        aim = [0.25 * math.sin(number), 0.6, 1.55]
        camera = camera_at(eye, aim, (330, 440), 27, 0.02 * math.cos(number))
        photo, _ = draw_photo(faces, camera)
        exif = exif_of(camera, number, "phone")
        exif[ExifTags.Base.Orientation] = 6  # to be turned clockwise
        name = f"IMG_{number + 1:04d}.jpg"
        photo.transpose(Image.Transpose.ROTATE_90).save(
            out / "images" / name, quality=QUALITY, exif=exif
        )
        cameras.append(camera)
        names.append(name)
    save_cameras(out, names, cameras, "drawn: a house, by a phone held upright")


def draw_walk(out: Path) -> None:
    """The same house in a clip: it begins by standing still."""
    faces = garden(np.random.default_rng(1))
    frames = []
    for number in range(42):
        way = max(0, number - 8) / 33
        camera = camera_at(
            [-4.2 + 7.6 * way, -7.2 - 0.8 * math.sin(3 * way), 1.6 + 0.05 * math.sin(9 * way)],
            [-1.5 + 2.6 * way, 0.6, 1.45], (384, 216), 24,
        )  # fmt: skip
        frames.append(draw_photo(faces, camera)[0])
    save_clip(frames, out / "walk.mp4", 1 / 12, bit_rate=400_000)


def draw_village(out: Path) -> None:
    """By a drone, in three strips; its GPS is off by about half a metre."""
    random = np.random.default_rng(2)
    faces = village(random)
    cameras, names = [], []
    for number in range(9):
        row, column = divmod(number, 3)
        x, y = -13 + 13 * (column if row % 2 == 0 else 2 - column), -18 + 13 * row
        eye = [x, y, 46 + random.normal()]
        camera = camera_at(eye, [x + 0.6, y + 9, 0], (420, 315), 24)
        position = camera.center + random.normal(size=3) * 0.4
        name = f"DJI_{number + 1:04d}.jpg"
        exif = exif_of(camera, number, "drone", position)
        draw_photo(faces, camera)[0].save(out / "images" / name, quality=QUALITY, exif=exif)
        cameras.append(camera)
        names.append(name)
    save_cameras(out, names, cameras, "drawn: a village, from a drone")


def draw_turntable(out: Path) -> None:
    """The camera stands, the thing turns: its frame is the world."""
    random = np.random.default_rng(3)
    things, room = thing(random), workshop(random)
    camera = camera_at([0, -0.85, 0.5], [0, 0, 0.13], (400, 300), 40)
    (out / "masks").mkdir(exist_ok=True)
    cameras, names = [], []
    for number in range(10):
        angle = math.radians(-16 * number)
        turned = [face.turned(angle) for face in things]
        name = f"turn_{number + 1:02d}"
        draw_photo([*room, *turned], camera)[0].save(
            out / "images" / f"{name}.jpg", quality=QUALITY
        )
        mask = Image.fromarray((draw_photo(turned, camera)[1] * 255).astype(np.uint8))
        mask.convert("1").save(out / "masks" / f"{name}.png", optimize=True)
        turn = np.eye(3)
        turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        pose = camera.cam_from_world.copy()
        pose[:, :3] = pose[:, :3] @ turn
        cameras.append(replace(camera, cam_from_world=pose))
        names.append(f"{name}.jpg")
    save_cameras(out, names, cameras, "drawn: two boxes on a turntable; the world turns with them")


SETS = {
    "house": draw_house,
    "walk": draw_walk,
    "village": draw_village,
    "turntable": draw_turntable,
}


def main(words: Sequence[str] | None = None) -> None:
    """Draw all sets, or some."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=SETS)
    options = parser.parse_args(words)
    for name in options.only or SETS:
        folder = options.folder / name
        (folder if name == "walk" else folder / "images").mkdir(parents=True, exist_ok=True)
        SETS[name](folder)
        print(folder)


if __name__ == "__main__":
    main()
