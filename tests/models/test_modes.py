"""A network predicts the same with and without gradients; what matches say more is explicit."""

from pathlib import Path

import pytest
import torch

import glance3d
from glance3d.errors import InputError
from glance3d.models import VGGT
from glance3d.multiview.reconcile import MatchedPredictions, reconcile
from glance3d.types import ImageBatch

PHOTOS = Path(__file__).parents[2] / "examples" / "data" / "motorcycle" / "images"


@pytest.fixture(scope="module")
def network() -> VGGT:
    return glance3d.load_model("glance-small", device="cpu")


@pytest.fixture(scope="module")
def batch(network: VGGT) -> ImageBatch:
    return glance3d.load_images(PHOTOS, network.preprocessing)


def baseline(pose_enc: torch.Tensor | None) -> float:
    assert pose_enc is not None
    return float(pose_enc[0, 1, :3].norm())


def test_a_pass_is_the_same_with_and_without_gradients(network: VGGT, batch: ImageBatch) -> None:
    with torch.enable_grad():
        training = network(batch.images)
    with torch.inference_mode():
        predicting = network(batch.images)
    assert baseline(training.pose_enc) == pytest.approx(0.600, abs=0.01)
    assert baseline(predicting.pose_enc) == pytest.approx(0.600, abs=0.01)
    with_gradients, without = training.as_dict(), predicting.as_dict()
    assert set(with_gradients) == set(without)
    for name, values in without.items():
        if name != "pose_enc_list":
            difference = (with_gradients[name] - values).abs().max() / values.abs().max()
            # Processors round differently in the two modes; a solver makes poses of it.
            assert float(difference) < (0.02 if name == "pose_enc" else 1e-3), name


def test_predict_is_a_pass_and_what_matches_say_of_it(network: VGGT, batch: ImageBatch) -> None:
    predictions = glance3d.predict(network, batch)
    assert type(predictions) is glance3d.Predictions
    assert baseline(predictions.pose_enc) == pytest.approx(0.026, abs=5e-3)
    with torch.inference_mode():
        once = network(batch.images, outputs=("camera", "depth"), focal_lengths=batch.focal_lengths)
    agreeing = reconcile(once)
    assert isinstance(once, MatchedPredictions)
    torch.testing.assert_close(agreeing.pose_enc, predictions.pose_enc, rtol=0, atol=0.02)
    torch.testing.assert_close(agreeing.depth, predictions.depth, rtol=0.01, atol=0)
    assert not torch.equal(once.depth, predictions.depth)
    assert torch.equal(agreeing.pose_enc_iterations[-1], agreeing.pose_enc)
    assert reconcile(agreeing) is agreeing


def test_the_parts_make_the_whole(network: VGGT, batch: ImageBatch) -> None:
    images, outputs = batch.images[None], ("camera", "depth")
    size = (images.shape[-2], images.shape[-1])
    with torch.inference_mode():
        whole = network(images, outputs=outputs)
        tokens = network.encode(images, network.config.layers_needed(outputs))
        initial = network.initial_poses(network.match(tokens, images), size)
        parts = network.decode(tokens, images, outputs, initial_poses=initial)
    torch.testing.assert_close(parts.pose_enc, whole.pose_enc, rtol=0, atol=0.02)
    torch.testing.assert_close(parts.depth, whole.depth, rtol=1e-3, atol=0)
    torch.testing.assert_close(reconcile(parts).depth, reconcile(whole).depth, rtol=0.01, atol=0.01)


def test_matches_are_kept_only_where_they_are_needed(network: VGGT, batch: ImageBatch) -> None:
    with torch.inference_mode():
        cameras = network(batch.images, outputs=("camera",))
        alone = network(batch.images[:1], outputs=("camera", "depth"))
        both = network(batch.images, outputs=("camera", "depth"))
        depth = network(batch.images, outputs=("depth",))
    # Cameras alone keep them, too: they say whether photos are upside down.
    assert isinstance(both, MatchedPredictions)
    assert isinstance(cameras, MatchedPredictions)
    plain = (depth, alone, both.of_views([1, 0]), reconcile(cameras), reconcile(both))
    assert {type(each) for each in plain} == {glance3d.Predictions}


def test_cameras_from_matches_need_somebody_who_estimates_them(batch: ImageBatch) -> None:
    network = VGGT(glance3d.load_model("glance-small", device="cpu").config)
    with pytest.raises(InputError, match="without a pose_initialiser"), torch.no_grad():
        network(batch.images, outputs=("camera",))
