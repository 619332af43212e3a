"""A scene's photos are found by what is in them, wherever they are, and nothing else is read."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from glance3d.errors import ImageError, InputError
from glance3d.images import Originals, content_of, find_photo, with_photos
from glance3d.types import Cameras, PhotoContent, Placement, Reconstruction
from tests.images.files import gradient

SIZE = (40, 30)


def photo(path: Path, level: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(gradient(*SIZE) // 2 + level).save(path)
    return path


def scene_of(*sources: Path | str, known: bool = True, **changes) -> Reconstruction:
    size, views = SIZE, len(sources)
    scene = Reconstruction(
        names=tuple(f"{view}.png" for view in range(views)),
        sources=tuple(map(str, sources)),
        placements=(Placement(size, (20, 15), (0.5, 0.5)),) * views,
        cameras=Cameras(
            torch.eye(3, 4).repeat(views, 1, 1),
            torch.eye(3).repeat(views, 1, 1),
            torch.tensor([size] * views),
        ),
        colors=torch.zeros(views, 15, 20, 3, dtype=torch.uint8),
        mask=torch.ones(views, 15, 20, dtype=torch.bool),
        contents=tuple(content_of(Path(source)) for source in sources) if known else (),
    )
    return replace(scene, **changes)


def test_the_photo_is_where_it_was(tmp_path):
    path = photo(tmp_path / "a.png")
    assert find_photo(scene_of(path, home=tmp_path), 0) == path


def test_another_photo_in_its_place_is_refused_with_both_names(tmp_path):
    scene = scene_of(photo(tmp_path / "a.png"), home=tmp_path / "scene")
    photo(tmp_path / "a.png", level=100)
    sentence = r"0\.png cannot be used: .*a\.png is not the photo that was reconstructed"
    with pytest.raises(ImageError, match=sentence):
        find_photo(scene, 0)
    with pytest.raises(ImageError, match=sentence):
        Originals(scene)[0]


def test_the_scenes_own_copy_stands_in(tmp_path):
    source, copy = photo(tmp_path / "a.png"), photo(tmp_path / "scene/images/0.png", 10)
    scene = scene_of(source, home=tmp_path / "scene", copies=(content_of(copy),))
    source.unlink()
    assert find_photo(scene, 0) == copy
    photo(copy, 100)
    with pytest.raises(ImageError, match=r"not at .*a\.png, .*0\.png is not this scene's copy"):
        find_photo(scene, 0)


def test_a_copy_of_the_very_bytes_needs_no_entry(tmp_path):
    source = photo(tmp_path / "a.png")
    scene = scene_of(source, home=tmp_path / "scene")
    copy = photo(tmp_path / "scene/images/0.png")
    source.unlink()
    assert find_photo(scene, 0) == copy


def test_a_path_without_content_is_not_read(tmp_path):
    """A scene from elsewhere may name any file of this machine."""
    secret = photo(tmp_path / "private/secret.png")
    (tmp_path / "scene").mkdir()
    for contents in ((), (None,)):
        scene = replace(scene_of(secret), contents=contents, home=tmp_path / "scene")
        with pytest.raises(ImageError, match=r"does not say what was in .*secret"):
            find_photo(scene, 0)
    guessed = (PhotoContent(secret.stat().st_size, "0" * 64),)
    with pytest.raises(ImageError, match="other content"):
        find_photo(replace(scene, contents=guessed), 0)


def test_a_link_in_the_copies_leads_nowhere(tmp_path):
    secret = photo(tmp_path / "private/secret.png")
    (tmp_path / "scene/images").mkdir(parents=True)
    (tmp_path / "scene/images/0.png").symlink_to(secret)
    scene = scene_of("/gone/a.png", known=False, home=tmp_path / "scene")
    with pytest.raises(ImageError, match="not this scene's copy"):
        find_photo(scene, 0)


def test_an_older_scene_has_its_copies(tmp_path):
    copy = photo(tmp_path / "scene/images/0.png")
    scene = scene_of("/gone/a.png", known=False, home=tmp_path / "scene")
    assert find_photo(scene, 0) == copy
    with pytest.raises(ImageError, match="not this scene's copy"):
        find_photo(replace(scene, copies=(None,)), 0)


def test_photos_are_found_again_by_content(tmp_path):
    sources = [photo(tmp_path / f"old/{n}.png", 10 * n) for n in range(3)]
    scene = scene_of(*sources, home=tmp_path / "scene")
    moved = [photo(tmp_path / f"new/deep/renamed{n}.png", 10 * n) for n in range(2)]
    photo(tmp_path / "new/2.png", 99)  # the name alone is not enough
    for source in sources:
        source.unlink()
    again = with_photos(scene, tmp_path / "new")
    assert [find_photo(again, view) for view in range(2)] == moved
    with pytest.raises(ImageError, match=r"2\.png cannot be used"):
        find_photo(again, 2)
    with pytest.raises(ImageError, match="none of 3 photos"):
        with_photos(scene, photo(tmp_path / "other/x.png", 50).parent)
    with pytest.raises(InputError, match="there is no folder"):
        with_photos(scene, tmp_path / "nowhere")


def test_names_are_enough_on_the_users_word(tmp_path, caplog):
    scene = scene_of("/gone/a.png", "C:\\photos\\B.PNG", known=False, home=tmp_path / "scene")
    photos = [photo(tmp_path / "new/A.png"), photo(tmp_path / "new/b.png")]
    with pytest.raises(ImageError, match="by name"):
        with_photos(scene, tmp_path / "new")
    again = with_photos(scene, tmp_path / "new", by="name")
    assert [find_photo(again, view) for view in range(2)] == photos
    assert "2 photos are taken by their names and sizes alone" in caplog.text


def test_a_frame_of_a_clip_is_known_by_the_clip(tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"frames")
    scene = scene_of(f"{clip}#t=1.500000", home=tmp_path / "scene")
    assert find_photo(scene, 0) == Path(f"{clip}#t=1.500000")
    moved = clip.rename(tmp_path / "scene.mp4")
    again = with_photos(scene, tmp_path)
    assert find_photo(again, 0) == Path(f"{moved}#t=1.500000")
