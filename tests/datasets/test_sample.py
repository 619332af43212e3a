import torch

from glance3d.datasets import MultiViewSample


def test_moves_every_tensor_and_leaves_what_is_missing() -> None:
    sample = MultiViewSample(
        images=torch.rand(1, 2, 3, 4, 6),
        cam_from_world=torch.rand(1, 2, 3, 4),
        intrinsics=torch.rand(1, 2, 3, 3),
        depth=torch.rand(1, 2, 4, 6),
        valid=torch.ones(1, 2, 4, 6, dtype=torch.bool),
        query_points=torch.rand(1, 5, 2),
    )
    moved = sample.to("meta")
    assert moved.images.device.type == moved.valid.device.type == "meta"
    assert moved.query_points is not None
    assert moved.query_points.device.type == "meta"
    assert moved.tracks is None
    assert sample.images.device.type == "cpu"
