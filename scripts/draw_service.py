"""Draw the picture of the page that ``glance3d serve`` shows.

    python scripts/draw_service.py docs/pictures/service.jpg

A server of its own makes the example photos in headless Chromium; the picture shows a scene that is
done, and beside it one in the queue. It needs playwright and a Chromium.
"""

import argparse
import io
import tempfile
import threading
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from glance3d.files.atomic import atomic_file
from glance3d.service.options import ServiceOptions
from glance3d.service.serve import running_server

PHOTOS = Path(__file__).parents[1] / "examples" / "data" / "motorcycle" / "images"
WIDTH, HEIGHT, GAP = 900, 700, 12
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PATIENCE = 600_000  # milliseconds


def send_photos(page: Any, name: str) -> None:
    """As a person does it."""
    page.set_input_files("#files", sorted(map(str, PHOTOS.iterdir())))
    page.fill("#name", name)
    page.click("#make")
    page.wait_for_selector(f".job >> text={name}")


def picture_of(page: Any) -> Image.Image:
    """What the window shows."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def draw(address: str) -> Image.Image:
    """The list, and the scene in the viewer, side by side."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        send_photos(page, "Motorcycle")
        page.wait_for_selector(".job[data-state=done]")
        send_photos(page, "Motorcycle, again")
        page.wait_for_selector(".job[data-state=running] >> text=the network looks")
        page.evaluate("window.scrollTo(0, 0)")
        left = picture_of(page)
        page.click("[data-action=open]")
        page.frame_locator("iframe").locator("html[data-photos]").wait_for()
        right = picture_of(page)
        browser.close()
    both = Image.new("RGB", (2 * WIDTH + GAP, HEIGHT), "white")
    both.paste(left, (0, 0))
    both.paste(right, (WIDTH + GAP, 0))
    return both


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(ServiceOptions(Path(folder), port=0)) as (server, address),
    ):
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        picture = draw(address)
        server.should_exit = True
        thread.join()
    with atomic_file(options.path) as temporary:
        picture.save(temporary, quality=82)


if __name__ == "__main__":
    main()
