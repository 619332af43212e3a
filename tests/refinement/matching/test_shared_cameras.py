"""Who shares a camera: by files, by sizes, or as the options say."""

import pytest
import torch

from glance3d.refinement.matching.shared_cameras import shared_camera_ids
from glance3d.types import Cameras, PhotoMetadata, Placement, Reconstruction


def scene_of(
    sizes: list[tuple[int, int]], metadata: tuple[PhotoMetadata, ...] = (), folders: str = "aaaaaaa"
) -> Reconstruction:
    count = len(sizes)
    return Reconstruction(
        names=tuple(f"{i}.jpg" for i in range(count)),
        sources=tuple(f"{folders[i]}/{i}.jpg" for i in range(count)),
        placements=tuple(Placement(size, (8, 8)) for size in sizes),
        cameras=Cameras(torch.zeros(count, 3, 4), torch.zeros(count, 3, 3), torch.tensor(sizes)),
        colors=torch.zeros(count, 8, 8, 3, dtype=torch.uint8),
        mask=torch.ones(count, 8, 8, dtype=torch.bool),
        metadata=metadata,
    )


_A, _B = PhotoMetadata("A"), PhotoMetadata("B")
_A28, _A52 = PhotoMetadata("A", 28.0), PhotoMetadata("A", 52.0)


@pytest.mark.parametrize(
    ("camera", "sizes", "metadata", "wanted"),
    [
        ("auto", [(4, 3)] * 3, (), [0, 0, 0]),
        ("auto", [(4, 3), (3, 4), (4, 3), (4, 3)], (), [0, 1, 0, 0]),
        ("auto", [(4, 3), (5, 3), (6, 3), (4, 3)], (), [0, 1, 2, 3]),
        # Many people's photos, of which some have the same size by chance.
        ("auto", [(4, 3), (5, 3), (6, 3)] * 2 + [(3, 4)], (), [0, 1, 2, 3, 4, 5, 6]),
        ("auto", [(4, 3)] * 3, (_A28, _A28, _B), [0, 0, 1]),
        ("auto", [(4, 3)] * 2, (_A28, _A52), [0, 1]),
        ("per-image", [(4, 3)] * 3, (), [0, 1, 2]),
        ("single", [(4, 3), (4, 3), (3, 4)], (_A, _B, _A), [0, 0, 1]),
    ],
)  # fmt: skip
def test_who_shares_a_camera(
    camera: str,
    sizes: list[tuple[int, int]],
    metadata: tuple[PhotoMetadata, ...],
    wanted: list[int],
) -> None:
    assert shared_camera_ids(scene_of(sizes, metadata), camera) == wanted


def test_a_camera_a_folder() -> None:
    scene = scene_of([(4, 3)] * 4, folders="abab")
    assert shared_camera_ids(scene, "per-folder") == [0, 1, 0, 1]
