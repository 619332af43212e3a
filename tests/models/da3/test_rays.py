"""Cameras from rays: the published answer, true cameras, and rays that say none."""

import math

import pytest
import torch
from benchmarks.meta_gpu import meta_gpu, no_host_waits
from torch import Tensor

from glance3d.geometry.cameras import intrinsics_from_fov
from glance3d.geometry.rotations import rotation_angle, so3_exp
from glance3d.models.da3 import rays
from glance3d.models.da3.rays import (
    cameras_from_rays,
    draw_samples,
    plane_points,
    ql_decomposition,
)
from tests.models.da3.golden import assert_close, load_golden

TOLERANCE = 5e-6
SIZE = (42, 56)  # height, width
ROWS, COLUMNS = 24, 32


def drawn_rays(num_views: int, noise: float = 0.0, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Rays ``[1, views, rows, columns, 6]`` and their ``world_from_cam`` and intrinsics."""
    random = torch.Generator().manual_seed(seed)
    rotation = so3_exp(0.4 * torch.randn(num_views, 3, generator=random))
    centre = torch.randn(num_views, 3, 1, generator=random)
    fov = 0.6 + 0.6 * torch.rand(2, num_views, generator=random)
    intrinsics = intrinsics_from_fov(fov[0], fov[1], *SIZE)
    tangents = torch.cat([(fov.flip(0) / 2).tan(), torch.ones(1, num_views)]).T
    plane = plane_points(ROWS, COLUMNS, torch.device("cpu")).float()
    directions = (plane * tangents[:, None]) @ rotation.mT
    directions = directions + noise * torch.randn(directions.shape, generator=random)
    origins = centre.mT.expand_as(directions)
    ray = torch.cat([directions, origins], -1).unflatten(1, (ROWS, COLUMNS))[None]
    return ray, torch.cat([rotation, centre], -1), intrinsics


def test_the_published_answer() -> None:
    golden = load_golden("da3_rays")
    height, width = golden["image_size"].tolist()
    cameras = cameras_from_rays(
        golden["ray"], golden["ray_conf"], (height, width), golden["samples"]
    )
    assert_close(cameras.cam_from_world, golden["ray_extrinsics"], TOLERANCE)
    assert_close(cameras.intrinsics, golden["ray_intrinsics"], TOLERANCE)
    assert not cameras.is_degenerate.any()


def test_our_own_samples_tell_nearly_the_same() -> None:
    golden = load_golden("da3_rays")
    height, width = golden["image_size"].tolist()
    cameras = cameras_from_rays(golden["ray"], golden["ray_conf"], (height, width))
    assert_close(cameras.cam_from_world, golden["ray_extrinsics"], 0.01)
    assert_close(cameras.intrinsics, golden["ray_intrinsics"], 0.01)


def test_true_cameras_among_outliers() -> None:
    """A third of the rays goes anywhere, and is as confident as the others."""
    ray, world_from_cam, intrinsics = drawn_rays(5)
    random = torch.Generator().manual_seed(1)
    wrong = torch.rand(ray.shape[:-1], generator=random) < 0.33
    ray[wrong, :3] = torch.randn(int(wrong.sum()), 3, generator=random)
    cameras = cameras_from_rays(ray, torch.ones(ray.shape[:-1]), SIZE)
    rotation = cameras.cam_from_world[0, :, :, :3].mT
    assert rotation_angle(rotation, world_from_cam[:, :, :3]).max() < 0.02
    centre = -(rotation @ cameras.cam_from_world[0, :, :, 3:])
    assert_close(centre, world_from_cam[:, :, 3:], 1e-5)
    assert_close(cameras.intrinsics[0], intrinsics, 0.03)


def test_the_sign_of_a_direction_does_not_matter() -> None:
    ray, *_ = drawn_rays(2, noise=0.002)
    confidence = 1 + torch.rand(ray.shape[:-1], generator=torch.Generator().manual_seed(2))
    turned = ray.clone()
    turned[:, :, ::2, :, :3] *= -3
    for value, other in zip(
        cameras_from_rays(ray, confidence, SIZE)[:2],
        cameras_from_rays(turned, confidence, SIZE)[:2],
        strict=True,
    ):
        assert_close(value, other, 1e-5)


def test_views_scenes_and_chunks_are_independent(monkeypatch: pytest.MonkeyPatch) -> None:
    ray, *_ = drawn_rays(6, noise=0.01)
    confidence = 1 + torch.rand(ray.shape[:-1], generator=torch.Generator().manual_seed(3))
    at_once = cameras_from_rays(ray, confidence, SIZE)
    monkeypatch.setattr(rays, "_VIEWS_AT_ONCE", 4)
    monkeypatch.setattr(rays, "_ELEMENTS_AT_ONCE", {"cpu": 4 * rays.NUM_SAMPLES * 100})
    two_scenes = ray.unflatten(1, (2, 3))[0], confidence.unflatten(1, (2, 3))[0]
    in_parts = cameras_from_rays(*two_scenes, SIZE)
    assert in_parts.cam_from_world.shape == (2, 3, 3, 4)
    assert_close(in_parts.cam_from_world.flatten(0, 1)[None], at_once.cam_from_world, 1e-6)
    assert_close(in_parts.intrinsics.flatten(0, 1)[None], at_once.intrinsics, 1e-6)


def test_samples_are_distinct_seeded_and_among_the_candidates() -> None:
    samples = draw_samples(1000)
    assert samples.shape == (100, 8)
    assert int(samples.min()) >= 0
    assert int(samples.max()) < 300
    assert all(len(set(sample)) == 8 for sample in samples.tolist())
    assert torch.equal(samples, draw_samples(1000))
    other = draw_samples(1000, torch.Generator().manual_seed(1))
    assert not torch.equal(samples, other)
    assert sorted(draw_samples(9)[0].tolist()) == list(range(8))


def _broken(name: str) -> tuple[Tensor, Tensor]:
    ray = drawn_rays(1, noise=0.002)[0]
    confidence = torch.ones(ray.shape[:-1])
    if name == "no number":
        ray[..., 3] = torch.nan
    elif name == "no confidence":
        confidence.fill_(0.0)
    elif name == "infinite confidence":
        confidence.fill_(torch.inf)
    elif name == "sideways":
        ray[..., 2] = 0.0
    elif name == "one direction":
        ray[..., :3] = torch.tensor([0.1, 0.2, 1.0])
    elif name == "directions on a line":
        ray[..., 1] = 0.3 * ray[..., 2]
    elif name == "one row counts":
        confidence[:, :, 1:] = 0.0
    elif name == "seven count":
        confidence.view(-1)[7:] = 0.0
    elif name == "too large":
        ray[..., :3] *= torch.tensor([1e38, 1e38, 1e-38])
    elif name == "zero":
        ray.fill_(0.0)
    return ray, confidence


@pytest.mark.parametrize(
    "name",
    [
        "no number",
        "no confidence",
        "infinite confidence",
        "sideways",
        "one direction",
        "directions on a line",
        "one row counts",
        "seven count",
        "too large",
        "zero",
    ],
)
def test_rays_that_say_no_camera_give_a_plain_one(name: str) -> None:
    sound, *_ = drawn_rays(1, seed=5)
    ray, confidence = _broken(name)
    both = torch.cat([sound, ray], 1), torch.cat([torch.ones_like(confidence), confidence], 1)
    cameras = cameras_from_rays(*both, SIZE)
    assert cameras.is_degenerate.tolist() == [[False, True]]
    assert cameras.cam_from_world.isfinite().all()
    assert torch.equal(cameras.cam_from_world[0, 1, :, :3], torch.eye(3))
    angle = torch.tensor(1.0)
    assert_close(cameras.intrinsics[0, 1], intrinsics_from_fov(angle, angle, *SIZE), 1e-6)


def test_some_invalid_rays_do_no_harm() -> None:
    ray, *_ = drawn_rays(1)
    confidence = torch.ones(ray.shape[:-1])
    whole = cameras_from_rays(ray, confidence, SIZE)
    ray[0, 0, 3, 4:9] = torch.nan
    ray[0, 0, 7, 1, 2] = 0.0
    confidence[0, 0, 9, 9] = torch.inf
    for value, other in zip(cameras_from_rays(ray, confidence, SIZE)[:2], whole[:2], strict=True):
        assert_close(value, other, 1e-4)


def test_the_host_of_a_gpu_never_waits() -> None:
    ray, confidence = torch.empty(2, 3, 24, 40, 6), torch.empty(2, 3, 24, 40)
    on_gpu = ray.to("meta"), confidence.to("meta")
    with meta_gpu():
        cameras_from_rays(*on_gpu, SIZE)  # makes tables
        with no_host_waits():
            cameras = cameras_from_rays(*on_gpu, SIZE)
    assert cameras.intrinsics.shape == (2, 3, 3, 3)


def test_ql_decomposition() -> None:
    random = torch.Generator().manual_seed(4)
    matrix = torch.randn(50, 3, 3, generator=random, dtype=torch.float64)
    matrix = matrix * matrix.det().sign()[:, None, None]
    q, triangle = ql_decomposition(matrix)
    assert torch.allclose(q @ triangle, matrix)
    assert torch.allclose(q.mT @ q, torch.eye(3, dtype=torch.float64).expand_as(q))
    assert torch.allclose(q.det(), torch.ones(50, dtype=torch.float64))
    assert (triangle.diagonal(dim1=-2, dim2=-1) > 0).all()
    assert torch.equal(triangle, triangle.tril())


def test_plane_points_are_pixel_centres() -> None:
    plane = plane_points(2, 4, torch.device("cpu"))
    assert plane[:, 0].tolist() == [-0.75, -0.25, 0.25, 0.75] * 2
    assert plane[:, 1].tolist() == [-0.5] * 4 + [0.5] * 4
    assert math.isclose(float(plane[:, 2].mean()), 1.0)
