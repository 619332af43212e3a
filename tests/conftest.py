"""What tests of several parts need: photos, an untrained small network, a browser.

PyTorch is imported where it is used: the process that only hands out tests does without.
"""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")

if "PYTEST_XDIST_WORKER" in os.environ:  # files of tests share the processor's cores
    import torch

    torch.set_num_threads(1)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: some tests wait, for a browser or for other processes."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return (len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests first, then those with many: no worker is left with them at the end."""
    count = Counter(item.path for item in items)
    is_long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: (item.path not in is_long, -count[item.path], item.path))


# Seconds before a wait is given up: so many that only what never comes is not waited for.
PATIENCE = 600

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No graphics card is needed: WebGL by SwiftShader.
_BROWSER_ARGUMENTS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of the tiny network: random but for plain cameras of one radian's view."""
    import torch

    from glance3d.models import build_model, config
    from glance3d.models.weights.files import save_weights

    torch.manual_seed(0)
    tiny = config.tiny()
    model = build_model(tiny)
    assert model.camera_head is not None
    with torch.no_grad():
        model.camera_head.pose_mlp.fc2.weight.mul_(0.01)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(model, path, tiny)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three small photos, one of them portrait."""
    import numpy as np
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for index, (width, height) in enumerate(((96, 64), (96, 64), (64, 96)), start=1):
        pixels = random.integers(0, 255, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"view{index}.png")
    return folder


@pytest.fixture
def single_thread() -> Iterator[None]:
    """PyTorch computes in one thread, so that sums are in one order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Signals interrupt as usual, also where the tests were started by ``nohup`` or with ``&``."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Chromium, headless: one for all tests, since two cannot be driven from one thread."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium here: install it (apt install chromium) to test pages")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=path, args=list(_BROWSER_ARGUMENTS), timeout=PATIENCE * 1000
        )
        yield chromium
        chromium.close()
