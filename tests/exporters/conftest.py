import pytest

from glance3d.types import Reconstruction
from tests.exporters.analytic import build_scene


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    return build_scene(tmp_path_factory.mktemp("photos"))
