"""Which photo the network sees first, and that nothing but that depends on it."""

import numpy as np
import pytest
import torch
from PIL import Image

import glance3d
from glance3d.errors import InputError
from glance3d.models import VGGT
from glance3d.models.reference_view import choose_reference

SMALL = {"max_pixels": 84 * 56}


@pytest.fixture(scope="module")
def network(tiny_weights) -> VGGT:
    model = glance3d.load_model(tiny_weights, device="cpu")
    with torch.no_grad():  # so that the first view's own tokens matter
        model.aggregator.camera_token.mul_(30)
        assert model.camera_head is not None
        model.camera_head.pose_mlp.fc2.weight.mul_(20)
    return model


def test_a_named_reference_is_the_same_as_giving_that_photo_first(photos, network) -> None:
    queries = [(20.0, 30.0), (50.5, 70.25)]
    how = {"model": network, "preprocess": SMALL, "query_points": queries}
    named = glance3d.reconstruct(photos, reference="view3", **how)
    order = [2, 0, 1]
    paths = sorted(photos.iterdir())
    first = glance3d.reconstruct([paths[view] for view in order], **how)
    assert named.names == ("view1.png", "view2.png", "view3.png")
    assert named.reference_view == 2
    assert [named.names[view] for view in order] == list(first.names)
    pairs = [
        (named.cameras.cam_from_world[order], first.cameras.cam_from_world),
        (named.cameras.intrinsics[order], first.cameras.intrinsics),
        (named.depth[order], first.depth),
        (named.confidence[order], first.confidence),
        (named.points_world[order], first.points_world),
        (named.tracks.positions[order], first.tracks.positions),
        (named.tracks.visibility[order], first.tracks.visibility),
    ]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert named.tracks.query_views.tolist() == [2, 2]
    own = named.tracks.positions[2]
    torch.testing.assert_close(own, torch.tensor(queries), atol=0.6, rtol=0)
    plain = glance3d.reconstruct(photos, **how | {"query_points": None})
    moved = (plain.cameras.cam_from_world - named.cameras.cam_from_world).abs().max()
    assert moved > 1e-3, "the reference makes no difference: the test shows nothing"


def test_the_report_says_which_and_why(photos, network) -> None:
    scene = glance3d.reconstruct(photos, model=network, preprocess=SMALL, reference="auto")
    chosen = scene.report.to_json()["reference"]
    assert chosen["asked"] == "auto"
    assert (
        chosen["view"]
        == scene.names[scene.reference_view]
        == scene.report.to_json()["reference_view"]
    )
    assert set(chosen["likeness"]) == set(scene.names)
    assert max(chosen["likeness"], key=chosen["likeness"].get) == chosen["view"]
    first = glance3d.reconstruct(photos, model=network, preprocess=SMALL)
    assert first.report.to_json()["reference"]["view"] == "view1.png"
    assert first.report.to_json()["reference"]["reason"] == "the first of 3"


def test_exports_name_the_reference(photos, network, tmp_path) -> None:
    scene = glance3d.reconstruct(photos, model=network, preprocess=SMALL, reference="view2.png")
    glance3d.export(scene, tmp_path / "scene.npz")
    loaded = glance3d.load_scene(tmp_path)
    assert loaded.reference_view == 1
    glance3d.export(loaded, tmp_path / "cameras.json")
    assert '"the frame of images/view2.png"' in (tmp_path / "cameras.json").read_text()


def test_the_view_that_shares_most_is_chosen(network) -> None:
    """Three windows of one picture side by side: the middle one has something of both others."""
    random = np.random.default_rng(0)
    wide = random.integers(0, 255, (8, 24, 3), np.uint8)
    wide = np.asarray(Image.fromarray(wide).resize((168, 56), Image.Resampling.BICUBIC))
    windows = [np.ascontiguousarray(wide[:, x : x + 84]) for x in (0, 84, 42)]
    batch = glance3d.load_images(windows, glance3d.Preprocessing(**SMALL))
    choice = choose_reference(network, batch, "auto")
    assert choice.view == 2
    assert "of 3 the one" in choice.reason
    alone = choose_reference(network, batch.of_views([0]), "auto")
    assert alone.view == 0


def test_an_unknown_reference_is_refused_with_names_like_it(photos, network) -> None:
    with pytest.raises(InputError, match=r"no photo 'veiw2.png'.*view2\.png"):
        glance3d.reconstruct(photos, model=network, preprocess=SMALL, reference="veiw2.png")
    with pytest.raises(InputError, match="number from 0 to 2"):
        glance3d.reconstruct(photos, model=network, preprocess=SMALL, reference=3)


def test_masks_and_reference_together(photos, network, tmp_path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    keep = np.full((64, 96), 255, np.uint8)
    keep[:, :48] = 0
    Image.fromarray(keep).save(masks / "view2.png")
    how = {"model": network, "preprocess": SMALL, "reference": "view2.png"}
    plain = glance3d.reconstruct(photos, **how)
    scene = glance3d.reconstruct(photos, masks=masks, **how)
    torch.testing.assert_close(scene.depth[scene.mask], plain.depth[scene.mask], rtol=0, atol=0)
    assert int(scene.mask[1].sum()) == pytest.approx(int(plain.mask[1].sum()) / 2, rel=0.1)
    assert (scene.depth[~scene.mask] == 0).all()
    assert (scene.confidence[~scene.mask] == 0).all()
    assert scene.report.photos.masks.kept_share["view2.png"] == 0.5
    assert any("2 of 3 photos have no mask" in text for text in scene.report.to_json()["warnings"])
    painted = glance3d.reconstruct(photos, masks=masks, mask_input=True, **how)
    assert (painted.depth - scene.depth).abs().max() > 0
    torch.testing.assert_close(painted.colors, scene.colors)
    assert painted.report.photos.masks.network_saw == "masked photos"
    with pytest.raises(InputError, match=r"\(10, 30\) lies where the mask of view2\.png"):
        glance3d.reconstruct(photos, masks=masks, query_points=[(10.0, 30.0)], **how)
    with pytest.raises(InputError, match="mask_input needs masks"):
        glance3d.reconstruct(photos, mask_input=True, **how)
