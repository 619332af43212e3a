"""Known cameras of all photos go into a network that takes them, and come out as they are."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import glance3d
from glance3d.geometry.cameras import camera_centers, unproject_depth
from glance3d.geometry.rotations import so3_exp
from glance3d.geometry.similarity import Similarity
from glance3d.known_cameras import KnownCamera, KnownCameras
from glance3d.models import VGGT
from glance3d.models.config import tiny
from glance3d.models.given_cameras import normalise_given
from glance3d.types import Predictions

SMALL = {"max_pixels": 84 * 56}
NUM_VIEWS = 9
SIZE = (96, 64)
OWN_FROM_SHOWN = Similarity(0.4, so3_exp(torch.tensor([0.2, 1.0, -0.3])), torch.tensor([3.0, 1, 2]))


class Obedient(VGGT):
    """Predicts the cameras that it is shown, in a world of its own, and depth 1 there."""

    takes_cameras = True

    def __init__(self) -> None:
        super().__init__(tiny())
        self.shown: list[Any] = []

    def forward(self, images: Tensor, *_: Any, cameras: Any = None, **__: Any) -> Predictions:
        num_views, _, height, width = images.shape
        self.shown.append(cameras)
        depth = torch.full((1, num_views, height, width), OWN_FROM_SHOWN.scale)
        poses = torch.eye(3, 4).repeat(num_views, 1, 1) if cameras is None else cameras[0]
        return Predictions(
            (height, width),
            depth=depth,
            depth_conf=torch.ones_like(depth),
            cam_from_world=OWN_FROM_SHOWN.transform_cameras(poses)[None],
            intrinsics=torch.eye(3).repeat(1, num_views, 1, 1),
        )


@pytest.fixture
def network() -> Obedient:
    return Obedient().eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for index in range(NUM_VIEWS):
        pixels = random.integers(0, 255, (*SIZE[::-1], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    return tmp_path


def known_cameras(**fields: Any) -> KnownCameras:
    """Along an arc of which the first is not the origin, in metres."""
    along = torch.linspace(0.5, 2.5, NUM_VIEWS, dtype=torch.float64)
    rotation = so3_exp(torch.stack([0.1 * along, along, 0.2 * along.cos()], -1))
    centres = torch.stack([5 * along.cos(), 0.3 * along, 5 * along.sin()], -1)
    poses = torch.cat([rotation, -rotation @ centres[..., None]], -1)
    intrinsics = torch.tensor([[90.0, 0, 50], [0, 88, 30], [0, 0, 1]], dtype=torch.float64)
    cameras = [
        KnownCamera(f"{index}.png", **{"cam_from_world": pose, "intrinsics": intrinsics, **fields})
        for index, pose in enumerate(poses)
    ]
    return KnownCameras("a list", "list", tuple(cameras), world="the laboratory", units="metre")


def poses_of(known: KnownCameras) -> Tensor:
    return torch.stack([camera.cam_from_world for camera in known.cameras])


def unit_of(poses: Tensor) -> float:
    """The lower median of the distances from the first camera."""
    centres = camera_centers(poses)
    return float((centres - centres[0]).norm(dim=-1).median())


def test_a_scene_has_the_given_cameras_and_depth_in_their_unit(
    folder: Path, network: Obedient
) -> None:
    known = known_cameras(radial=0.05)
    scene = glance3d.reconstruct(folder, model=network, preprocess=SMALL, known=known)
    poses = poses_of(known)
    [(shown, intrinsics)] = network.shown
    torch.testing.assert_close(shown, normalise_given(poses).float())
    placement = scene.placements[0]
    on_grid = placement.intrinsics_to_processed(known.cameras[0].intrinsics).float()
    torch.testing.assert_close(intrinsics[0], on_grid)
    assert torch.equal(scene.cameras.cam_from_world, poses.float())
    assert torch.equal(scene.cameras.intrinsics[0], known.cameras[0].intrinsics.float())
    assert scene.cameras.radial.tolist() == pytest.approx([0.05] * NUM_VIEWS)
    assert (scene.world, scene.units) == ("the laboratory", "metre")
    torch.testing.assert_close(scene.depth, torch.full_like(scene.depth, unit_of(poses)))
    grid = scene.cameras.on_grid(scene.placements)
    points = unproject_depth(scene.depth, grid.cam_from_world, grid.intrinsics, radial=grid.radial)
    torch.testing.assert_close(scene.points_world, points)
    given = json.loads(json.dumps(scene.report.to_json()))["given_cameras"]
    assert given["to_network"] is True
    [of_pass] = given["passes"]
    assert of_pass["depth_divided_by"] == pytest.approx(0.4 / unit_of(poses), rel=1e-5)
    assert of_pass["disagreement"] == 0.0
    assert not [w for w in scene.report.warnings if w.code == "given_cameras"]


def test_predict_gives_them_back_in_the_batchs_order(folder: Path, network: Obedient) -> None:
    batch = glance3d.load_images(folder, glance3d.Preprocessing(**SMALL))
    known = known_cameras()
    sizes = [placement.original_size for placement in batch.placements]
    batch = replace(batch, known_cameras=known.for_scene(batch).cameras(sizes))
    predictions = glance3d.predict(
        network, batch, glance3d.PassOptions(outputs=("depth",), reference="4.png")
    )
    poses = poses_of(known)
    order = [4, 0, 1, 2, 3, 5, 6, 7, 8]
    torch.testing.assert_close(network.shown[0][0], normalise_given(poses[order]).float())
    assert torch.equal(predictions.cameras()[0][0], poses.float())
    unit = unit_of(poses[order])
    torch.testing.assert_close(predictions.depth, torch.full_like(predictions.depth, unit))


def test_each_window_is_shown_its_own_cameras(folder: Path, network: Obedient) -> None:
    known = known_cameras()
    poses = poses_of(known)
    scene = glance3d.reconstruct(
        folder, model=network, preprocess=SMALL, known=known, window=5, overlap=2
    )
    assert len(network.shown) == 3
    assert torch.equal(scene.cameras.cam_from_world, poses.float())
    assert scene.world == "the laboratory"
    views = [[0, 1, 2, 3, 4], [2, 3, 4, 5, 6], [4, 5, 6, 7, 8]]
    for shown, window in zip(network.shown, views, strict=True):
        own = unit_of(shown[0])
        assert own == pytest.approx(1.0, rel=1e-5)
        held = scene.depth[window[-1]]
        torch.testing.assert_close(
            held, torch.full_like(held, _unit_of_window(poses, shown[0], window))
        )
    report = scene.report.to_json()
    assert len(report["given_cameras"]["passes"]) == 3
    assert {join["rotation_deg"] for join in report["windows"]["joins"]} == {0.0}


def _unit_of_window(poses: Tensor, shown: Tensor, window: list[int]) -> float:
    """How much longer the window's cameras are apart than it was shown."""
    real, seen = (torch.pdist(camera_centers(p.double())) for p in (poses[window], shown))
    return float(real.sum() / seen.sum())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"intrinsics": None}, "of 9 photos 9 have a known pose and 0 known intrinsics"),
        ({"cam_from_world": None}, "of 9 photos 0 have a known pose and 9 known intrinsics"),
    ],
)
def test_both_or_neither(
    folder: Path, network: Obedient, fields: dict[str, None], reason: str
) -> None:
    known = known_cameras(**fields)
    scene = glance3d.reconstruct(folder, model=network, preprocess=SMALL, known=known)
    assert network.shown == [None]
    given = scene.report.to_json()["given_cameras"]
    assert given == {"to_network": False, "reason": reason, "passes": []}
    [warning] = [w.text for w in scene.report.warnings if w.code == "given_cameras"]
    assert "takes known cameras, but both pose and intrinsics of every photo or none" in warning
    assert reason in warning
    assert scene.world == "reference camera"


def test_some_photos_known_only(folder: Path, network: Obedient) -> None:
    known = replace(known_cameras(), cameras=known_cameras().cameras[:7])
    scene = glance3d.reconstruct(folder, model=network, preprocess=SMALL, known=known)
    assert network.shown == [None]
    reason = "of 9 photos 7 have a known pose and 7 known intrinsics"
    assert scene.report.to_json()["given_cameras"]["reason"] == reason


def test_other_networks_are_shown_nothing(folder: Path, tiny_weights: Path) -> None:
    plain = glance3d.load_model(tiny_weights, device="cpu")
    without = glance3d.reconstruct(folder, model=plain, preprocess=SMALL)
    scene = glance3d.reconstruct(folder, model=plain, preprocess=SMALL, known=known_cameras())
    assert torch.equal(scene.depth, without.depth)
    given = scene.report.to_json()["given_cameras"]
    assert given == {"to_network": False, "reason": "tiny takes no cameras", "passes": []}
    assert not [w for w in scene.report.warnings if w.code == "given_cameras"]
    assert "given_cameras" not in without.report.to_json()


def test_without_a_scale_depth_stays_as_it_is_and_the_report_says_so(
    folder: Path, network: Obedient
) -> None:
    rotation = so3_exp(torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    at_one_place = torch.cat([rotation, rotation.new_ones(3, 1)], -1)
    known = known_cameras(cam_from_world=at_one_place)
    scene = glance3d.reconstruct(folder, model=network, preprocess=SMALL, known=known)
    assert torch.equal(scene.cameras.cam_from_world[3], at_one_place.float())
    torch.testing.assert_close(scene.depth, torch.full_like(scene.depth, 0.4))
    assert scene.units == "arbitrary"
    assert scene.report.to_json()["given_cameras"]["passes"] == [None]
    [warning] = [w.text for w in scene.report.warnings if w.code == "given_cameras"]
    assert "depth may not fit the known cameras" in warning


def test_a_network_that_predicts_other_cameras_is_named(
    folder: Path, network: Obedient, monkeypatch: pytest.MonkeyPatch
) -> None:
    obey = Obedient.forward

    def disobey(self: Obedient, images: Tensor, **options: Any) -> Predictions:
        poses, intrinsics = options.pop("cameras")
        shuffled = [4 * index % NUM_VIEWS for index in range(NUM_VIEWS)]
        return obey(self, images, cameras=(poses[shuffled], intrinsics))

    monkeypatch.setattr(Obedient, "forward", disobey)
    scene = glance3d.reconstruct(folder, model=network, preprocess=SMALL, known=known_cameras())
    [warning] = [w.text for w in scene.report.warnings if w.code == "given_cameras"]
    assert "predicts others" in warning
