"""The nine numbers of a camera in DA3."""

import math

import torch

from glance3d.models.da3.pose_encoding import decode_pose, encode_pose
from tests.models.da3.golden import assert_close

SIZE = (56, 70)  # height, width


def test_they_are_of_the_inverse_pose() -> None:
    half = math.sqrt(0.5)
    # A quarter turn about z, of length 2, at (1, 2, 3).
    numbers = torch.tensor([1.0, 2, 3, 0, 0, 2 * half, 2 * half, math.pi / 2, 2 * math.atan(0.5)])
    cam_from_world, intrinsics = decode_pose(numbers, *SIZE)
    turn = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    assert torch.allclose(cam_from_world[:, :3], turn, atol=1e-6)
    assert torch.allclose(cam_from_world[:, 3], torch.tensor([-2.0, 1, -3]), atol=1e-6)
    expected = torch.tensor([[70.0, 0, 35], [0, 28, 28], [0, 0, 1]])
    assert torch.allclose(intrinsics, expected, rtol=1e-5)


def test_there_and_back() -> None:
    random = torch.Generator().manual_seed(0)
    numbers = torch.randn(4, 5, 9, generator=random)
    numbers[..., 7:] = 0.2 + torch.rand(4, 5, 2, generator=random)
    encoded = encode_pose(*decode_pose(numbers, *SIZE), *SIZE)
    assert_close(encoded[..., :3], numbers[..., :3], 3e-6)
    assert_close(encoded[..., 7:], numbers[..., 7:], 3e-6)
    quat = torch.nn.functional.normalize(numbers[..., 3:7], dim=-1)
    quat = quat * torch.where(quat[..., 3:] < 0, -1.0, 1.0)
    assert_close(encoded[..., 3:7], quat, 3e-6)


def test_no_field_of_view_gives_a_long_lens_and_no_infinity() -> None:
    numbers = torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 0, 4])  # 4 radians: the tangent is negative
    _, intrinsics = decode_pose(numbers, *SIZE)
    assert torch.allclose(intrinsics.diagonal(), torch.tensor([35e6, 28e6, 1.0]))
