"""Where the cameras start: what is known stays, what a file states comes before any guess."""

from dataclasses import replace

import pytest
import torch

from glance3d.known_cameras import KnownCamera, KnownCameras, match_known_cameras
from glance3d.refinement.matching.initial_cameras import InitialCameras, collect_initial_cameras
from glance3d.refinement.options import RefineOptions
from glance3d.types import PhotoMetadata, Reconstruction
from glance3d.types.images import FILM_DIAGONAL_MM
from tests.refinement.rendered import SIZE, Room, arc, build_scene

KNOWN_FOCAL, NETWORK_FOCAL = 333.0, 250.0


@pytest.fixture(scope="module")
def scene() -> Reconstruction:
    """Three photos of one size, of which a network guessed a wrong focal length."""
    scene = build_scene([Room()] * 3, arc(3))
    intrinsics = scene.cameras.intrinsics.clone()
    intrinsics[:, [0, 1], [0, 1]] = NETWORK_FOCAL
    return replace(scene, cameras=replace(scene.cameras, intrinsics=intrinsics))


def collect(scene: Reconstruction, known: KnownCameras | None = None) -> InitialCameras:
    views = None if known is None else match_known_cameras(known, scene)
    return collect_initial_cameras(scene, RefineOptions(), views)


def focal_lengths(initial: InitialCameras, *, use_network: bool = False) -> list[float]:
    assignment = initial.assign(use_network=use_network)
    return [assignment.cameras[i].mean_focal_length() for i in assignment.camera_of_view]


def test_photos_share_a_camera_or_have_one_each(scene: Reconstruction) -> None:
    initial = collect(scene)
    shared, own = initial.assign(), initial.assign(shared=False)
    assert (shared.camera_of_view, own.camera_of_view) == ((0, 0, 0), (0, 1, 2))
    assert (shared.is_shared, own.is_shared) == (True, False)
    assert [camera.camera_id for camera in own.cameras] == [1, 2, 3]
    assert shared.constant_ids == own.constant_ids == ()


def test_the_networks_focal_length_is_used_on_request_only(scene: Reconstruction) -> None:
    initial = collect(scene)
    assert focal_lengths(initial) == [1.2 * SIZE[0]] * 3
    assert focal_lengths(initial, use_network=True) == [NETWORK_FOCAL] * 3


def test_what_a_file_states_comes_before_the_network(scene: Reconstruction) -> None:
    diagonal = float(torch.tensor(SIZE).float().norm())
    metadata = PhotoMetadata("A", focal_35mm=300.0 * FILM_DIAGONAL_MM / diagonal)
    stated = collect(replace(scene, metadata=(metadata,) * 3))
    assert focal_lengths(stated, use_network=True) == pytest.approx([300.0] * 3, rel=1e-5)
    assert all(camera.has_prior_focal_length for camera in stated.assign().cameras)


def test_known_intrinsics_are_a_constant_camera_of_their_own(scene: Reconstruction) -> None:
    matrix = torch.tensor([[KNOWN_FOCAL, 0, 201], [0, KNOWN_FOCAL, 149], [0, 0, 1]]).double()
    camera = KnownCamera(scene.names[1], intrinsics=matrix, size=SIZE)
    initial = collect(scene, KnownCameras("c.json", "test", (camera,), "world", "metre"))
    assignment = initial.assign()
    assert assignment.camera_of_view == (0, 1, 0)
    assert assignment.constant_ids == (2,)
    cameras = initial.to_cameras()
    torch.testing.assert_close(cameras.intrinsics[1].double(), matrix)
    assert cameras.intrinsics[0, 0, 0] == 1.2 * SIZE[0]
