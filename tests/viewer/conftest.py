from collections.abc import Iterator

import pytest

from glance3d.types import Reconstruction
from tests.conftest import PATIENCE
from tests.exporters.analytic import build_scene, with_measured_points, with_tracks


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
def page(browser) -> Iterator:
    """A page of headless Chromium, drawing without a graphics card."""
    page = browser.new_page(viewport={"width": 900, "height": 600})
    page.set_default_timeout(PATIENCE * 1000)
    yield page
    page.close()
