"""The tracker from any view: the same numbers as theory says, by another way."""

import copy

import pytest
import torch

from glance3d.errors import InputError, NotEnoughMemoryError
from glance3d.models import VGGT, build_model
from glance3d.models.config import ModelConfig, tiny
from glance3d.models.memory import plan as memory_plan
from glance3d.tracking.by_network import NetworkTracker
from glance3d.tracking.feature_maps import predict_with_features
from glance3d.types import ImageBatch
from tests.tracking.conftest import as_batch

QUERIES = torch.tensor([[20.5, 41.0], [67.0, 82.25], [100.0, 10.0]])  # of 140 x 112 originals


def on_network(pixels_original: torch.Tensor) -> torch.Tensor:
    return pixels_original / 2 - 0.5


def test_queries_of_the_first_view_are_what_the_model_says(network: VGGT, batch: ImageBatch):
    predictions = network(batch.images, on_network(QUERIES), outputs=("tracks",))
    _, features = predict_with_features(network, batch)
    tracked = NetworkTracker(network, features).track(0, QUERIES, [1, 2, 3])
    torch.testing.assert_close(
        tracked.positions, (predictions.tracks[0, 1:] + 0.5) * 2, rtol=1e-4, atol=1e-3
    )
    inside = features.sees(tracked.positions, 1)
    torch.testing.assert_close(tracked.visibility, predictions.visibility[0, 1:] * inside)
    torch.testing.assert_close(tracked.confidence, predictions.track_conf[0, 1:])


@pytest.mark.parametrize("view", [1, 3])
def test_queries_of_another_view_equal_a_model_that_is_given_that_view_first(
    network: VGGT, batch: ImageBatch, view: int
):
    """Exact where the aggregator itself has no reference view: with one special token for all."""
    network = copy.deepcopy(network)
    for token in (network.aggregator.camera_token, network.aggregator.register_token):
        token[:, 0] = token[:, 1]
    order = [view, *(other for other in range(4) if other != view)]
    predictions = network(batch.images[order], on_network(QUERIES), outputs=("tracks",))
    _, features = predict_with_features(network, batch)
    tracked = NetworkTracker(network, features).track(view, QUERIES, order[1:])
    expected = (predictions.tracks[0, 1:] + 0.5) * 2
    torch.testing.assert_close(tracked.positions, expected, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(
        tracked.confidence, predictions.track_conf[0, 1:], rtol=1e-4, atol=1e-5
    )


def test_the_order_of_the_other_views_does_not_matter(network: VGGT, batch: ImageBatch):
    _, features = predict_with_features(network, batch)
    tracker = NetworkTracker(network, features)
    straight, shuffled = (tracker.track(2, QUERIES, order) for order in ([0, 1, 3], [3, 0, 1]))
    for a, b in zip(straight, shuffled, strict=True):
        torch.testing.assert_close(a, b[[1, 2, 0]], rtol=1e-4, atol=1e-3)


def test_cameras_stay_in_the_reference_frame_whatever_is_followed(network: VGGT, batch: ImageBatch):
    alone = network(batch.images, outputs=("camera",)).pose_enc
    with_features, _ = predict_with_features(network, batch, ("camera",))
    torch.testing.assert_close(with_features.pose_enc, alone)


def test_a_network_without_a_track_head_is_refused(batch: ImageBatch):
    config = ModelConfig.from_dict(tiny().to_dict() | {"tracks": None})
    with pytest.raises(InputError, match="no track head"):
        predict_with_features(build_model(config), batch)


def test_images_that_are_too_small_are_refused(network: VGGT):
    config = tiny().to_dict()
    config["tracks"]["pyramid_levels"] = 6
    model = build_model(ModelConfig.from_dict(config))
    with pytest.raises(InputError, match="at least 64 pixels"):
        predict_with_features(model, as_batch(torch.rand(2, 3, 56, 70)))


def test_what_cannot_fit_is_refused(
    network: VGGT, batch: ImageBatch, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(memory_plan, "available_memory", lambda _: 10**8)
    with pytest.raises(NotEnoughMemoryError, match="4 views of 70 x 56 pixels would take"):
        predict_with_features(network, batch)
