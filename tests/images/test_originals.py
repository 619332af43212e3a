from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.errors import ImageError
from glance3d.images import Originals
from glance3d.types import Cameras, Placement, Reconstruction


def scene_of(source: str, size: tuple[int, int] = (40, 30)) -> Reconstruction:
    return Reconstruction(
        names=("a.jpg",),
        sources=(source,),
        placements=(Placement(size, (20, 15), (0.5, 0.5)),),
        cameras=Cameras(torch.eye(3, 4)[None], torch.eye(3)[None], torch.tensor([size])),
        colors=torch.zeros(1, 15, 20, 3, dtype=torch.uint8),
        mask=torch.ones(1, 15, 20, dtype=torch.bool),
    )


def photo(width: int = 40, height: int = 30) -> Image.Image:
    return Image.fromarray(np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3))


def test_a_turned_photo_comes_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(30, 40).save(tmp_path / "a.jpg", exif=exif)
    assert Originals(scene_of(str(tmp_path / "a.jpg")))[0].shape == (30, 40, 3)


def test_a_moved_photo_is_found_in_the_scenes_own_folder(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.jpg")
    assert Originals(scene_of("/gone/a.jpg"), tmp_path)[0].shape == (30, 40, 3)


def test_photos_in_memory_are_taken_as_they_are() -> None:
    picture = np.asarray(photo())
    assert (Originals(scene_of("memory:0"), photos=[picture])[0] == picture).all()


def test_a_lost_photo_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ImageError,
        match=r"a\.jpg cannot be used: it is not at /gone/a\.jpg, not at .*: put it back",
    ):
        Originals(scene_of("/gone/a.jpg"), tmp_path)[0]


def test_another_size_is_refused(tmp_path: Path) -> None:
    photo(44, 30).save(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="44x30 now, but was 40x30"):
        Originals(scene_of(str(tmp_path / "a.jpg")))[0]
