from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.errors import ImageError
from glance3d.images import Originals, Preprocessing
from glance3d.results import open_result
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


def two_views(first: Path, second: Path) -> Reconstruction:
    one = scene_of(str(first))
    return replace(
        one,
        names=("a.jpg", "b.jpg"),
        sources=(str(first), str(second)),
        placements=one.placements * 2,
        cameras=Cameras(*(x.repeat_interleave(2, 0) for x in _tensors(one))),
        colors=one.colors.repeat_interleave(2, 0),
        mask=one.mask.repeat_interleave(2, 0),
    )


def _tensors(scene: Reconstruction) -> tuple[torch.Tensor, ...]:
    cameras = scene.cameras
    return cameras.cam_from_world, cameras.intrinsics, cameras.image_sizes


def test_a_scenes_own_copy_is_its_photo_beside_others(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.jpg")
    with open_result(tmp_path / "scene") as result:
        (tmp_path / "scene" / "images").mkdir()
        photo().save(tmp_path / "scene" / "images" / "b.jpg")
        result.adopt("images/b.jpg")
    scene = two_views(tmp_path / "a.jpg", tmp_path / "scene" / "images" / "b.jpg")
    assert Originals(scene).load(Preprocessing()).names == ("a.jpg", "b.jpg")


def test_no_view_takes_the_place_of_one_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    photo().save(tmp_path / "b.jpg")
    with pytest.raises(ImageError, match=r"cannot be read again \(a\.jpg is not a photo"):
        Originals(two_views(tmp_path / "a.jpg", tmp_path / "b.jpg")).load(Preprocessing())
