"""Photos to scenes by a Depth Anything 3 of random weights: the mechanics, not the accuracy."""

from typing import Any

import numpy as np
import pytest
import torch

import glance3d
from glance3d import prediction
from glance3d.errors import InputError
from glance3d.geometry.rotations import so3_exp
from glance3d.known_cameras import KnownCamera, KnownCameras
from glance3d.models import Network, build_model
from glance3d.models.config import da3_tiny
from glance3d.models.memory.plan import MemoryPlan, plan_memory

NUM_VIEWS = 5
SMALL = {"max_pixels": 56 * 42}


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return build_model(da3_tiny()).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (42, 56, 3), dtype=np.uint8) for _ in range(NUM_VIEWS)]


def test_the_world_is_the_first_photo(network: Network, pictures: list[np.ndarray]) -> None:
    scene = glance3d.reconstruct(pictures, model=network, preprocess=SMALL)
    assert scene.depth is not None
    assert bool(scene.depth.isfinite().all())
    torch.testing.assert_close(scene.cameras.cam_from_world[0], torch.eye(3, 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("window", [None, 3])
def test_cameras_from_rays_are_others(
    network: Network, pictures: list[np.ndarray], window: int | None
) -> None:
    by_decoder, by_rays = (
        glance3d.reconstruct(
            pictures, model=network, preprocess=SMALL, window=window, cameras_from=source
        )
        for source in ("decoder", "rays")
    )
    assert not torch.equal(by_rays.cameras.intrinsics, by_decoder.cameras.intrinsics)


def test_a_scene_holds_no_rays(network: Network, pictures: list[np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"glance3d\.predict"):
        glance3d.reconstruct(pictures, model=network, outputs=("depth", "rays"))
    batch = glance3d.load_images(pictures, network.preprocessing)
    predicted = glance3d.predict(network, batch, glance3d.PassOptions(("camera", "rays")))
    assert predicted.ray is not None
    assert predicted.ray.shape[:2] == (1, NUM_VIEWS)


@pytest.mark.parametrize("options", [{"reference": 2}, {"window": 3}])
def test_published_keys_hold_cameras_however_views_are_shown(
    network: Network, pictures: list[np.ndarray], options: dict[str, Any]
) -> None:
    batch = glance3d.load_images(pictures, network.preprocessing)
    predicted = glance3d.predict(network, batch, glance3d.PassOptions(**options))
    published = predicted.as_dict()
    assert set(published) == {"depth", "depth_conf", "extrinsics", "intrinsics"}
    assert predicted.depth is published["depth"]


def test_rays_are_in_the_frame_of_the_reference(
    network: Network, pictures: list[np.ndarray]
) -> None:
    batch = glance3d.load_images(pictures, network.preprocessing)
    alone, beside_cameras = (
        glance3d.predict(network, batch, glance3d.PassOptions(outputs)).ray
        for outputs in (("rays",), ("camera", "rays"))
    )
    torch.testing.assert_close(alone, beside_cameras)


def test_memory_is_planned_for_rays_that_tell_cameras(
    network: Network, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[MemoryPlan] = []

    def plan_and_remember(*args: Any, **options: Any) -> MemoryPlan:
        planned.append(plan_memory(*args, **options))
        return planned[-1]

    monkeypatch.setattr(prediction, "plan_memory", plan_and_remember)
    batch = glance3d.load_images(pictures, network.preprocessing)
    for source in ("decoder", "rays"):
        glance3d.predict(network, batch, glance3d.PassOptions(("camera",), cameras_from=source))
    by_decoder, by_rays = planned
    assert by_rays.weights > by_decoder.weights
    assert by_rays.workspace > by_decoder.workspace


@pytest.mark.parametrize("window", [None, 3])
def test_known_cameras_come_out_as_they_went_in(
    network: Network, pictures: list[np.ndarray], window: int | None
) -> None:
    intrinsics = torch.tensor([[50.0, 0, 28], [0, 50, 21], [0, 0, 1]])
    turns = [so3_exp(torch.tensor([0, 0.1 * i, 0])) for i in range(NUM_VIEWS)]
    places = torch.tensor([[i, 0.5 * i**2, 1.0] for i in range(NUM_VIEWS)])
    cameras = torch.cat([torch.stack(turns), places[..., None]], -1)
    stated = [
        KnownCamera(f"view_{i:03d}.png", intrinsics=intrinsics, cam_from_world=camera)
        for i, camera in enumerate(cameras)
    ]
    known = KnownCameras("a list", "list", tuple(stated), world="a room", units="metre")
    scene = glance3d.reconstruct(
        pictures, model=network, preprocess=SMALL, known=known, window=window
    )
    torch.testing.assert_close(scene.cameras.cam_from_world, cameras)
    codes = [warning.code for warning in scene.report.warnings]
    assert "better_model" not in codes
