"""The front door: from photos to a scene and its report."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image

import glance3d
from glance3d.datasets import SyntheticConfig, SyntheticScenes
from glance3d.errors import ImageError, InputError, WeightsError
from glance3d.files.atomic import to_json_text
from glance3d.images import PREPROCESSING_MODES, Preprocessing
from glance3d.images.preprocess import BUDGET_MODES
from glance3d.known_cameras import KnownCamera, KnownCameras
from glance3d.models import VGGT
from glance3d.models.memory import plan as memory_plan
from glance3d.nn.chunks import CPU_TOKENS, chunk_tokens
from glance3d.reporting.warnings import scene_warnings
from glance3d.types import ImageBatch, Placement, Predictions

SMALL = {"max_pixels": 84 * 56}


@pytest.fixture(scope="module")
def network(tiny_weights: Path) -> VGGT:
    return glance3d.load_model(tiny_weights, device="cpu")


def test_scene_holds_what_was_asked_for(photos: Path, network: VGGT) -> None:
    scene = glance3d.reconstruct(photos, model=network, preprocess=SMALL)
    assert scene.names == ("view1.png", "view2.png", "view3.png")
    assert scene.model == "tiny"
    assert scene.cameras.image_sizes.tolist() == [[96, 64], [96, 64], [64, 96]]
    assert scene.depth is not None
    assert scene.points_from == "depth"
    assert scene.tracks is None
    cameras_only = glance3d.reconstruct(photos, model=network, preprocess=SMALL, outputs=[])
    assert cameras_only.depth is None
    assert cameras_only.points_world is None
    by_head = glance3d.reconstruct(photos, model=network, preprocess=SMALL, outputs=["points"])
    assert by_head.points_from == "points"


def test_it_is_what_the_parts_make(photos: Path, network: VGGT) -> None:
    scene = glance3d.reconstruct(photos, model=network, preprocess=SMALL)
    batch = glance3d.load_images(photos, Preprocessing(**SMALL))
    with torch.no_grad():
        parts = network(batch.images, outputs=("camera", "depth")).to_reconstruction(batch)
    torch.testing.assert_close(scene.cameras.cam_from_world, parts.cameras.cam_from_world)
    torch.testing.assert_close(scene.cameras.intrinsics, parts.cameras.intrinsics)
    torch.testing.assert_close(scene.depth, parts.depth)


def test_report_says_how_the_scene_was_made(photos: Path, tiny_weights: Path) -> None:
    (photos / "view0.jpg").write_text("no photo")
    scene = glance3d.reconstruct(photos, model=tiny_weights, device="cpu", preprocess=SMALL)
    report = json.loads(to_json_text(scene.report.to_json()))
    assert report["versions"]["torch"] == torch.__version__
    assert report["machine"]["device"] == "cpu"
    assert report["model"]["name"] == "tiny"
    assert report["model"]["precision"] == "float32"
    digest = hashlib.sha256(tiny_weights.read_bytes()).hexdigest()
    assert report["model"]["weights"]["sha256"] == digest
    assert report["reference_view"] == "view1.png"
    assert report["num_views"] == 3
    assert [view["original_size"] for view in report["views"]] == [[96, 64], [96, 64], [64, 96]]
    assert [Path(photo["source"]).name for photo in report["skipped"]] == ["view0.jpg"]
    assert report["preprocessing"]["max_pixels"] == SMALL["max_pixels"]
    stages = report["times"]
    assert {"load_model", "load_images", "predict", "to_scene", "total"} == set(stages)
    assert stages["total"] >= stages["predict"] > 0
    assert report["memory"]["peak_process"] > 10_000_000
    assert report["memory"]["planned"] > 10_000_000


def test_mixed_shapes_are_warned_of(photos: Path, network: VGGT) -> None:
    mixed = glance3d.reconstruct(photos, model=network, preprocess=SMALL)
    assert any("padding" in warning for warning in mixed.report.to_json()["warnings"])
    alike = [photos / "view1.png", photos / "view2.png"]
    assert not glance3d.reconstruct(alike, model=network, preprocess=SMALL).report.to_json()[
        "warnings"
    ]


def test_photos_that_are_cut_are_warned_of(photos: Path, network: VGGT) -> None:
    crop = {"mode": "upper_bound_resize", "size": 84}
    scene = glance3d.reconstruct(photos, model=network, preprocess=crop)
    cut = [text for text in scene.report.to_json()["warnings"] if "are cut before" in text]
    lost = max(1 - placement.share_shown for placement in scene.placements)
    assert lost > 0.1
    assert len(cut) == 1
    assert f"by up to {lost:.0%}" in cut[0]
    whole = glance3d.reconstruct(photos, model=network, preprocess="upper_bound_pad")
    assert not [text for text in whole.report.to_json()["warnings"] if "are cut" in text]


def test_one_photo_is_warned_of(photos: Path, network: VGGT) -> None:
    scene = glance3d.reconstruct(photos / "view1.png", model=network, preprocess=SMALL)
    assert scene.num_views == 1
    assert any("no relative pose" in warning for warning in scene.report.to_json()["warnings"])


def test_an_impossible_camera_is_warned_of(photos: Path, tiny_weights: Path) -> None:
    network = glance3d.load_model(tiny_weights, device="cpu")
    assert network.camera_head is not None
    network.camera_head.pose_mlp.fc2.bias[-1] = 0.9  # radians, four times: beyond half a turn
    scene = glance3d.reconstruct(photos, model=network, preprocess=SMALL)
    assert any("3 of 3 cameras" in warning for warning in scene.report.to_json()["warnings"])


@pytest.mark.parametrize("mode", PREPROCESSING_MODES)
def test_preprocess_by_name(photos: Path, network: VGGT, mode: str) -> None:
    small = {"mode": mode, "size": 84, **(SMALL if mode in BUDGET_MODES else {})}
    scene = glance3d.reconstruct(photos, model=network, preprocess=small)
    assert scene.report.to_json()["preprocessing"]["mode"] == mode
    assert scene.colors.shape[1] % 14 == 0
    assert scene.colors.shape[2] % 14 == 0


def test_published_modes_suit_a_model_with_another_patch(photos: Path, network: VGGT) -> None:
    network.preprocessing = Preprocessing(patch_size=28, max_pixels=112 * 112)
    try:
        scene = glance3d.reconstruct(photos, model=network, preprocess="crop")
    finally:
        network.preprocessing = Preprocessing()
    assert scene.report.made.processed_size == (
        112,
        112,
    )  # portrait and landscape: 518 has no patch


def test_query_points_are_pixels_of_the_original(photos: Path, network: VGGT) -> None:
    """The reference view's tracks are the queries, if what the network sees maps back correctly."""
    queries = torch.tensor([[20.0, 30.0], [70.5, 12.25], [0.5, 0.5]])
    small = {"max_pixels": 112 * 84}
    scene = glance3d.reconstruct(photos, model=network, preprocess=small, query_points=queries)
    assert scene.tracks is not None
    assert scene.tracks.positions.shape == (3, 3, 2)
    torch.testing.assert_close(scene.tracks.positions[0], queries, atol=0.5, rtol=0)


def test_network_pixels_of_tracks_start_at_the_first_centre() -> None:
    placement = Placement((200, 100), (28, 14), (0.14, 0.14))
    batch = ImageBatch(torch.zeros(1, 3, 14, 28), ("a.png",), ("a.png",), (placement,))
    ones = torch.ones(1, 1, 1)
    predictions = Predictions(
        image_size=(14, 28),
        pose_enc=torch.tensor([[[0, 0, 0, 0, 0, 0, 1, 1, 1.0]]]),
        tracks=torch.zeros(1, 1, 1, 2),
        visibility=ones,
        track_conf=ones,
    )
    tracks = predictions.to_reconstruction(batch).tracks
    assert tracks is not None
    torch.testing.assert_close(tracks.positions[0, 0], torch.tensor([0.5, 0.5]) / 0.14)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"outputs": "depth"}, InputError, "list of names"),
        ({"outputs": ["normals"]}, InputError, "normals"),
        ({"outputs": ["tracks"]}, InputError, "query points"),
        ({"query_points": [(500.0, 10.0)]}, InputError, "outside"),
        ({"query_points": [(float("nan"), 10.0)]}, InputError, "outside"),
        ({"query_points": torch.tensor([1.0, 2.0])}, InputError, "pixels"),
        ({"query_points": torch.zeros(0, 2)}, InputError, "pixels"),
        ({"preprocess": {"pixels": 4}}, InputError, "pixels"),
    ],
)
def test_what_cannot_be_used_is_refused(
    photos: Path, network: VGGT, arguments: dict, error: type[Exception], match: str
) -> None:
    small = {"preprocess": SMALL, **arguments}
    with pytest.raises(error, match=match):
        glance3d.reconstruct(photos, model=network, **small)


def test_query_points_that_a_crop_cut_off_are_refused(photos: Path, network: VGGT) -> None:
    crop = {"mode": "crop", "size": 56}
    with pytest.raises(InputError, match=r"part of view3\.png that the network sees"):
        glance3d.reconstruct(
            photos / "view3.png", model=network, preprocess=crop, query_points=[(32.0, 2.0)]
        )


def test_missing_photos_and_models_are_refused(photos: Path, network: VGGT) -> None:
    with pytest.raises(ImageError):
        glance3d.reconstruct(photos / "nowhere", model=network)
    with pytest.raises(WeightsError, match="vggt-2b"):
        glance3d.reconstruct(photos, model="vggt-2b")


def test_running_out_of_memory_is_one_sentence(
    photos: Path, network: VGGT, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(network.aggregator, "stream", fail)
    with pytest.raises(InputError, match="do not fit into memory"):
        glance3d.reconstruct(photos, model=network, preprocess=SMALL)


def test_what_cannot_fit_is_refused_before_it_runs(
    photos: Path, network: VGGT, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_plan, "available_memory", lambda _: 200_000_000)
    with pytest.raises(InputError, match=r"would take .* GB of memory and 0\.20 GB are to be had"):
        glance3d.reconstruct(photos, model=network, preprocess=SMALL)


def test_chunks_are_as_small_as_the_plan_says(
    photos: Path, network: VGGT, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = glance3d.reconstruct(photos, model=network, preprocess=SMALL)
    seen = []

    def watched(device: torch.device) -> int:
        seen.append(chunk_tokens(device))
        return seen[-1]

    monkeypatch.setattr("glance3d.nn.inference.chunk_tokens", watched)
    peak = usual.report.to_json()["memory"]["planned"]
    monkeypatch.setattr(memory_plan, "available_memory", lambda _: int(0.999 * peak))
    tight = glance3d.reconstruct(photos, model=network, preprocess=SMALL)
    assert max(seen, default=CPU_TOKENS) < CPU_TOKENS
    torch.testing.assert_close(tight.depth, usual.depth, rtol=1e-4, atol=1e-5)


def test_stated_focal_lengths_are_used(tmp_path: Path) -> None:
    network = glance3d.load_model("glance-small")
    config = SyntheticConfig(images_per_batch=2, num_views=(2, 2), num_textures=16)
    sample = next(iter(SyntheticScenes(config, seed=3, split="validation")))
    height, width = sample.images.shape[-2:]
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 90
    for folder, options in (("without", {}), ("with", {"exif": exif})):
        (tmp_path / folder).mkdir()
        for view, pixels in enumerate(sample.images[0]):
            photo = Image.fromarray((255 * pixels.permute(1, 2, 0)).byte().numpy())
            photo.save(tmp_path / folder / f"{view}.jpg", **options)
    blind, measured = (
        glance3d.reconstruct(tmp_path / folder, model=network) for folder in ("without", "with")
    )
    stated = 90 / 43.2666 * math.hypot(height, width)
    focal = measured.cameras.intrinsics[:, 0, 0]
    torch.testing.assert_close(focal, torch.full((2,), stated), rtol=0.1, atol=0)
    assert float(blind.cameras.intrinsics[0, 0, 0]) < 0.7 * stated
    assert not any("stated of them" in warning for warning in measured.report.to_json()["warnings"])
    [warning] = scene_warnings(replace(blind, metadata=measured.metadata))
    assert f"0.jpg: {stated:.0f} pixels by its file" in warning.text
    pinhole = torch.tensor([[stated, 0, width / 2], [0, stated, height / 2], [0, 0, 1]])
    camera = KnownCamera("0.jpg", intrinsics=pinhole)
    known = KnownCameras("a list", "list", (camera,), world="unknown")
    knowing = glance3d.reconstruct(tmp_path / "without", model=network, known=known)
    torch.testing.assert_close(knowing.cameras.intrinsics, measured.cameras.intrinsics)
    assert measured.report.to_json()["stated_focal_lengths"] == {"num_known": 0, "num_by_files": 2}
    assert knowing.report.to_json()["stated_focal_lengths"] == {"num_known": 1, "num_by_files": 0}
    lengths = torch.tensor([2 * stated, torch.nan])
    [warning] = scene_warnings(measured, lengths)
    assert "the focal lengths of 1 of 2 photos" in warning.text
    assert f"0.jpg: {2 * stated:.0f} pixels as known, " in warning.text


def test_a_pass_shows_how_far_it_is(
    photos: Path, network: VGGT, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = glance3d.reconstruct(photos, model=network, preprocess=SMALL)
    assert "network" not in capsys.readouterr().err
    shown = glance3d.reconstruct(photos, model=network, preprocess=SMALL, progress=True)
    layers = network.config.aggregator.depth + 1
    assert f"{layers}/{layers}" in capsys.readouterr().err.partition("network")[2]
    assert torch.equal(shown.depth, quiet.depth)
