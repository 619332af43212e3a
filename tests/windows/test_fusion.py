"""What several windows say of one view, as one."""

import torch

from glance3d.types import Predictions
from glance3d.windows.fusion import fuse_depth, with_shared_intrinsics


def test_depth_that_agrees_is_weighed_by_confidence() -> None:
    depth = torch.tensor([[2.0, 2.0], [2.1, 2.1]])
    confidence = torch.tensor([[1.0, 3.0], [1.0, 1.0]])
    fused, most = fuse_depth(depth, confidence)
    torch.testing.assert_close(fused[0], torch.tensor(2.0 * 2.1).sqrt())
    torch.testing.assert_close(fused[1], (depth[:, 1].log() @ torch.tensor([0.9, 0.1])).exp())
    assert most.tolist() == [1.0, 3.0]


def test_a_mean_floats_between_no_surfaces() -> None:
    depth = torch.tensor([[1.0, 1.0, 0.0, 0.0], [3.0, 3.0, 3.0, 0.0]])
    confidence = torch.tensor([[5.0, 2.0, 2.0, 1.0], [2.0, 5.0, 5.0, 1.0]])
    assert fuse_depth(depth, confidence)[0].tolist() == [1.0, 3.0, 3.0, 0.0]


def test_a_camera_has_one_field_of_view() -> None:
    encoded = torch.zeros(1, 5, 9)
    encoded[0, :, 6] = 1
    encoded[0, :, 7] = torch.tensor([0.9, 1.0, 1.3, 0.5, 0.7])
    shared = with_shared_intrinsics(Predictions((8, 8), pose_enc=encoded), [0, 0, 0, 1, 2])
    torch.testing.assert_close(
        shared.pose_enc[0, :, 7], torch.tensor([1.0, 1.0, 1.0, 0.5, 0.7]), atol=0, rtol=0
    )
    matrices = torch.eye(3).repeat(1, 3, 1, 1)
    matrices[0, :, 0, 0] = torch.tensor([8.0, 9.0, 12.0])
    stated = Predictions((8, 8), cam_from_world=matrices.new_zeros(1, 3, 3, 4), intrinsics=matrices)
    shared = with_shared_intrinsics(stated, [4, 4, 4])
    assert shared.intrinsics[0, :, 0, 0].tolist() == [9.0, 9.0, 9.0]
