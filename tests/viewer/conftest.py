from collections.abc import Iterator
from pathlib import Path

import pytest

from glance3d.types import Reconstruction
from tests.exporters.analytic import build_scene, with_measured_points, with_tracks

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    return build_scene(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def full_scene(scene: Reconstruction) -> Reconstruction:
    """With followed tracks and measured points."""
    return with_measured_points(with_tracks(scene))


@pytest.fixture(scope="session")
def viser_installed() -> None:
    pytest.importorskip("viser", reason="the viewer is shown only where viser is installed")


@pytest.fixture
def page() -> Iterator:
    """A page of headless Chromium, drawing without a graphics card."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="a browser is driven only where playwright is installed"
    )
    if not CHROMIUM.exists():
        pytest.skip(f"a browser is driven only where {CHROMIUM} is installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
        )
        yield browser.new_page(viewport={"width": 900, "height": 600})
        browser.close()
