"""Draw what comes of the tutorials' photos: scenes, and views of the clip.

glance3d reconstruct examples/data/house/images --out FOLDER/house --refine
glance3d reconstruct examples/data/village/images --out FOLDER/village --refine --gps
python -m scripts.draw_tutorial_scene FOLDER docs/pictures
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scripts.draw_tutorial_pictures import CAMERA_COLOR, INK, OTHER_COLOR, beside, save_picture

import glance3d
from glance3d.exporters.points.point_cloud import select_points
from glance3d.exporters.presentation import up_direction
from glance3d.geometry.geodesy import GeodeticOrigin, enu_from_geodetic
from glance3d.images.clips import ClipSampling
from glance3d.images.decoding.decode import open_upright
from glance3d.types import Cameras, Reconstruction

DATA = Path(__file__).resolve().parents[1] / "examples" / "data"
POINTS = 150_000
NUM_FRAMES, CLIP_SECONDS = 8, 3.5


class Eye:
    """A pinhole from which points and cameras are drawn; far away and narrow, it is a map."""

    def __init__(
        self, eye: np.ndarray, aim: np.ndarray, up: np.ndarray, size: tuple[int, int], fov: float
    ) -> None:
        ahead = (aim - eye) / np.linalg.norm(aim - eye)
        right = np.cross(ahead, up)
        right /= np.linalg.norm(right)
        self.center, self.axes = eye, np.stack([right, np.cross(ahead, right), ahead])
        self.size, self.focal = size, size[0] / 2 / np.tan(np.radians(fov) / 2)
        self.middle = np.array(size) / 2

    def pixels(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where points are seen, and how far away."""
        seen = (points - self.center) @ self.axes.T
        depth = np.maximum(seen[:, 2], 1e-6)
        return seen[:, :2] / depth[:, None] * self.focal + self.middle, seen[:, 2]

    def picture(self, scene: Reconstruction, dot: int = 1) -> Image.Image:
        """The scene's points, the near ones over the far ones."""
        cloud = select_points(scene, 20.0, POINTS, False)
        return self.of_points(cloud.points_world.double().numpy(), cloud.colors.numpy(), dot)

    def of_points(self, points: np.ndarray, colors: np.ndarray, dot: int) -> Image.Image:
        """Dots of ``2 * dot + 1`` pixels."""
        width, height = self.size
        pixels, depth = self.pixels(points)
        page = np.full((height, width, 3), 255, np.uint8)
        inside = (
            (depth > 0) & (pixels > dot).all(1) & (pixels < np.array(self.size) - dot - 1).all(1)
        )
        order = np.argsort(-depth[inside])
        x, y = pixels[inside][order].astype(int).T
        for down in range(-dot, dot + 1):
            for aside in range(-dot, dot + 1):
                page[y + down, x + aside] = colors[inside][order]
        return Image.fromarray(page)

    def draw_cameras(
        self, page: Image.Image, centers: np.ndarray, corners: np.ndarray, color: tuple[int, ...]
    ) -> None:
        """Frusta: a tip and four corners each, ``corners`` is ``[views, 4, 3]``."""
        draw = ImageDraw.Draw(page)
        for center, four in zip(centers, corners, strict=True):
            (tip, *others), _ = self.pixels(np.stack([center, *four]))
            for first, second in zip(others, [*others[1:], others[0]], strict=True):
                draw.line([*first, *second], color, 2)
                draw.line([*tip, *first], color, 2)


def frusta(cameras: Cameras, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Centres and corners of the cameras."""
    centers = cameras.centers.double().numpy()
    poses = cameras.cam_from_world.double().numpy()
    corners = []
    for pose, matrix, size in zip(
        poses,
        cameras.intrinsics.double().numpy(),
        cameras.image_sizes.tolist(),
        strict=True,
    ):
        width, height = size
        picture = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1.0]])
        rays = picture @ np.linalg.inv(matrix).T * length
        corners.append((rays - pose[:, 3]) @ pose[:, :3])
    return centers, np.stack(corners)


def behind(scene: Reconstruction, size: tuple[int, int], away: float, above: float) -> Eye:
    """Behind and above the photographers."""
    points = select_points(scene, 20.0, 20_000, False).points_world.double().numpy()
    middle, centers = np.median(points, 0), scene.cameras.centers.double().numpy()
    up, reach = up_direction(scene).double().numpy(), centers.mean(0) - np.median(points, 0)
    eye = middle + away * reach + above * np.linalg.norm(reach) * up
    return Eye(eye, middle + 0.25 * reach, up, size, 50)


def with_cameras(
    scene: Reconstruction, size: tuple[int, int], away: float, above: float
) -> Image.Image:
    """The points from there, with the cameras."""
    eye = behind(scene, size, away, above)
    page = eye.picture(scene)
    reach = np.linalg.norm(eye.center - scene.cameras.centers.double().numpy().mean(0))
    eye.draw_cameras(page, *frusta(scene.cameras, 0.09 * reach), CAMERA_COLOR)
    return page


def stacked(photos: Sequence[Image.Image], columns: int) -> Image.Image:
    """A grid of photos of one size."""
    width, height = photos[0].size
    rows = -(-len(photos) // columns)
    page = Image.new("RGB", (columns * (width + 4) - 4, rows * (height + 4) - 4), "white")
    for number, photo in enumerate(photos):
        page.paste(photo, (number % columns * (width + 4), number // columns * (height + 4)))
    return page


def photos_of(scene: Reconstruction, views: Sequence[int]) -> list[Image.Image]:
    """Upright."""
    return [open_upright(scene.sources[view]).convert("RGB") for view in views]


def draw_phone(folder: Path) -> Image.Image:
    """Photos, and the house with the cameras."""
    scene = glance3d.load_scene(folder / "house")
    photos = stacked(photos_of(scene, range(0, scene.num_views, 2)), 2)
    points = with_cameras(scene, (660, 440), 2.3, 0.9)
    return beside([("four of eight photos", photos), ("points and cameras", points)], 400)


def draw_drone(folder: Path) -> Image.Image:
    """A map: points, cameras, and what GPS says."""
    scene = glance3d.load_scene(folder / "village")
    told = torch.tensor(
        [[one.latitude, one.longitude, one.altitude] for one in scene.metadata], dtype=torch.float64
    )
    positions = enu_from_geodetic(told, GeodeticOrigin(*told.median(0).values.tolist())).numpy()
    points = select_points(scene, 20.0, POINTS, False).points_world.double().numpy()
    middle = np.median(points, 0)
    eye = Eye(middle + np.array([0, 0, 3000.0]), middle, np.array([0.0, 1, 0]), (520, 440), 1.5)
    page = eye.picture(scene)
    draw = ImageDraw.Draw(page)
    centers, _ = eye.pixels(scene.cameras.centers.double().numpy())
    for (x, y), (u, v) in zip(centers, eye.pixels(positions)[0], strict=True):
        draw.ellipse([x - 4, y - 4, x + 4, y + 4], CAMERA_COLOR, "white")
        draw.line([u - 6, v, u + 6, v], OTHER_COLOR, 2)
        draw.line([u, v - 6, u, v + 6], OTHER_COLOR, 2)
    metres = eye.focal / 3000 * 20
    draw.rectangle([12, 418, 12 + metres, 421], INK)
    draw.text((12, 400), "20 m", INK, ImageFont.load_default(13))
    photos = stacked(photos_of(scene, (0, 4, 8)), 1)
    return beside(
        [("3 of 9 photos", photos), ("from above: cameras (discs), GPS (crosses)", page)], 420
    )


def draw_clip(folder: Path) -> Image.Image:
    """When its views were taken."""
    clips = ClipSampling(views=NUM_FRAMES)
    batch = glance3d.load_images(DATA / "walk" / "walk.mp4", sampling=clips)
    page = Image.new("RGB", (4 * 220 - 4, 2 * 150 + 40), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    draw.line([10, 16, page.width - 10, 16], INK, 2)
    for number, source in enumerate(batch.sources):
        second = float(source.partition("#t=")[2])
        at = 10 + (page.width - 20) * second / CLIP_SECONDS
        draw.ellipse([at - 5, 11, at + 5, 21], CAMERA_COLOR)
        draw.text((at - 3, 22), f"{number + 1}", INK, font)
        x, y = number % 4 * 220, 44 + number // 4 * 150
        page.paste(open_upright(source).convert("RGB").resize((216, 122)), (x, y))
        draw.text((x, y + 124), f"{number + 1}: {second:.2f} s", INK, font)
    return page


def draw_blender(folder: Path) -> Image.Image:
    """Points through a photo's own camera."""
    scene = glance3d.load_scene(folder / "house")
    view = 2
    (photo,) = photos_of(scene, [view])
    matrix = scene.cameras.intrinsics[view].double().numpy()
    eye = Eye(np.zeros(3), np.array([0, 0, 1.0]), np.array([0, -1.0, 0]), photo.size, 50)
    eye.center = scene.cameras.centers[view].double().numpy()
    eye.axes = scene.cameras.cam_from_world[view, :, :3].double().numpy()
    eye.focal, eye.middle = matrix[0, 0], matrix[:2, 2]
    return beside(
        [("the photo", photo), ("the points, through its camera", eye.picture(scene))], 400
    )


SCENES = {
    "phone_scene": draw_phone,
    "drone_scene": draw_drone,
    "clip": draw_clip,
    "blender": draw_blender,
}


def main() -> None:
    """Write them into a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--only", nargs="*", choices=SCENES, default=list(SCENES))
    options = parser.parse_args()
    for name in options.only:
        save_picture(SCENES[name](options.folder), options.pictures, name, quality=68)


if __name__ == "__main__":
    main()
