"""Which photos share a focal length that nothing states."""

import pytest
import torch

from glance3d.images.physical_cameras import unstated_lens_ids
from glance3d.types import ImageBatch, PhotoMetadata, Placement

_PHONE = PhotoMetadata("phone", 28.0)


@pytest.mark.parametrize(
    ("sizes", "metadata", "wanted"),
    [
        ([(4, 3)] * 3, (), None),
        ([(4, 3), (3, 4), (4, 3)], (), None),
        ([(4, 3), (5, 3), (3, 4)], (), [0, 1, 0]),
        ([(4, 3), (5, 3), (6, 3), (4, 3)], (), [0, 1, 2, 3]),
        ([(4, 3)] * 3, (_PHONE,) * 3, None),
        ([(4, 3)] * 3, (_PHONE, PhotoMetadata(), _PHONE), [0, 1, 0]),
    ],
)
def test_who_shares_a_lens(
    sizes: list[tuple[int, int]], metadata: tuple[PhotoMetadata, ...], wanted: list[int] | None
) -> None:
    names = tuple(f"{view}.jpg" for view in range(len(sizes)))
    batch = ImageBatch(
        torch.zeros(len(sizes), 3, 8, 8),
        names,
        names,
        tuple(Placement(size, (8, 8)) for size in sizes),
        metadata=metadata,
    )
    assert unstated_lens_ids(batch) == wanted
