"""Draw the README's pictures of a scene: photos in, depth and points out, and the viewer turning.

    glance3d reconstruct examples/data/motorcycle/images --out scene --refine --densify
    python scripts/draw_pictures.py scene docs/pictures

writes ``overview.jpg`` (photos, depth, points with cameras) and ``viewer.webp`` (ten seconds of
``glance3d view``, filmed in headless Chromium). It needs viser, playwright and a Chromium. Show
only photos whose licence allows it: these are the Middlebury "Motorcycle" pair of the repository.
"""

import argparse
import io
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import glance3d
from glance3d.exporters.maps.colormap import inverse_depth_range
from glance3d.exporters.presentation import depth_thumbnail, photo_thumbnail
from glance3d.files.atomic import atomic_file
from glance3d.geometry.filter import usable_depth
from glance3d.types import Reconstruction
from glance3d.viewer import Viewer
from glance3d.viewer.display import Pose

WIDTH, HEIGHT = 960, 560  # of the viewer's window
PANEL = 345  # its part on the right
FILM_WIDTH = 720
STEPS, SECONDS = 24, 10.0
SWING = math.radians(16)  # to each side
GAP, CAPTION = 10, 30
CHROMIUM = "/usr/bin/chromium"
# A machine without a graphics card draws, too; the page's warning about it is not the scene.
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
HIDE_NOTICES = ".mantine-Notifications-root { display: none !important }"


def swung(home: Pose, step: int) -> Pose:
    """A camera on its way from the left (0) to the right (``STEPS``) around what it looks at."""
    sine = math.sin(math.pi * (step / STEPS - 0.5))  # slow at both ends
    angle = SWING * sine
    offset = home.position - home.look_at
    turned = [
        math.cos(angle) * offset[0] + math.sin(angle) * offset[2],
        offset[1] * (1 + 0.5 * sine**2),
        -math.sin(angle) * offset[0] + math.cos(angle) * offset[2],
    ]
    return Pose(home.look_at + np.array(turned), home.look_at, home.fov)


def film(viewer: Viewer, page: Any) -> list[Image.Image]:
    """A picture for each step from left to right."""
    client = next(iter(viewer.server.get_clients().values()))
    pictures = []
    for step in range(STEPS + 1):
        pose = swung(viewer.home, step)
        with client.atomic():
            client.camera.position = pose.position
            client.camera.look_at = pose.look_at
        client.flush()
        time.sleep(0.3)  # the page draws it
        pictures.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    return pictures


def there_and_back(pictures: list[Image.Image]) -> list[Image.Image]:
    """From the middle to the right, to the left, and to the middle again."""
    middle = len(pictures) // 2
    return [*pictures[middle:], *pictures[-2::-1], *pictures[1:middle]]


def open_viewer(scene: Path) -> Viewer:
    """With a little more than usual of what is not quite sure: two photos leave gaps enough."""
    return glance3d.view(scene, port=0, percentile=10.0, open_browser=False, wait=False)


def open_page(driver: Any, viewer: Viewer) -> Any:
    """The viewer's page, when its points have come."""
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.set_default_timeout(120_000)  # without a graphics card a picture takes its time
    page.goto(viewer.url)
    page.add_style_tag(content=HIDE_NOTICES)
    page.get_by_text("points shown").wait_for()
    viewer.up_to_date.wait(60)
    drawn, before = page.screenshot(), b""
    while drawn != before:  # it fades in
        time.sleep(1)
        drawn, before = page.screenshot(), drawn
    return page


def save_film(frames: list[Image.Image], path: Path) -> None:
    """An animated WebP of ten seconds that begins again."""
    size = FILM_WIDTH, round(FILM_WIDTH * frames[0].height / frames[0].width)
    small = [frame.resize(size, Image.Resampling.LANCZOS) for frame in frames]
    with atomic_file(path) as temporary:
        small[0].save(
            temporary,
            format="WEBP",
            save_all=True,
            append_images=small[1:],
            duration=round(1000 * SECONDS / len(small)),
            loop=0,
            quality=55,
            method=4,
        )


def overview(scene: Reconstruction, points: Image.Image) -> Image.Image:
    """Two photos, the depth of the first, and the points: what goes in, and what comes out."""
    assert scene.depth is not None
    usable = usable_depth(scene.depth) & scene.mask
    depth = depth_thumbnail(scene, 0, 1600, inverse_depth_range(scene.depth, usable))
    photos = [photo_thumbnail(scene, view, 1600) for view in (0, scene.num_views - 1)]
    height = 300
    column = [_to_height(photo, (height - GAP) // 2) for photo in photos]
    panels = [
        ("photos in", _stacked(column)),
        ("depth out", _to_height(depth, height)),
        ("points and cameras out", _to_height(points, height)),
    ]
    width = sum(panel.width for _, panel in panels) + GAP * (len(panels) - 1)
    page = Image.new("RGB", (width, height + CAPTION), "white")
    draw, x = ImageDraw.Draw(page), 0
    for caption, panel in panels:
        page.paste(panel, (x, 0))
        draw.text((x, height + 6), caption, fill=(70, 70, 70), font=ImageFont.load_default(16))
        x += panel.width + GAP
    return page


def _to_height(picture: Image.Image, height: int) -> Image.Image:
    width = round(picture.width * height / picture.height)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _stacked(pictures: list[Image.Image]) -> Image.Image:
    height = sum(picture.height for picture in pictures) + GAP * (len(pictures) - 1)
    page = Image.new("RGB", (max(picture.width for picture in pictures), height), "white")
    top = 0
    for picture in pictures:
        page.paste(picture, (0, top))
        top += picture.height + GAP
    return page


def main() -> None:
    """Both pictures of one scene."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    scene = glance3d.load_scene(options.scene)
    with (
        sync_playwright() as driver,
        open_viewer(options.scene) as viewer,
    ):
        page = open_page(driver, viewer)
        pictures = film(viewer, page)
        still = pictures[3 * STEPS // 4].crop((0, 0, WIDTH - PANEL, HEIGHT))
        page.context.browser.close()
    save_film(there_and_back(pictures), options.folder / "viewer.webp")
    with atomic_file(options.folder / "overview.jpg") as temporary:
        overview(scene, still).save(temporary, quality=88)
    for path in sorted(options.folder.glob("*.*")):
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
