"""Options of multi-view geometry: refused when they make no sense, carried by a model's config."""

import dataclasses
import json

import pytest
import torch
import torch.nn.functional as F

from glance3d.errors import ConfigError, InputError
from glance3d.models import VGGT, build_model, load_model
from glance3d.models.config import ModelConfig, glance_small
from glance3d.multiview.options import (
    AveragingOptions,
    FocalSearchOptions,
    MultiviewOptions,
    PlaneSweepOptions,
    RelativePoseOptions,
    SubpixelOptions,
)
from glance3d.multiview.reconcile import reconcile


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: PlaneSweepOptions(num_depths=0),
            "num_depths of PlaneSweepOptions must be .*, got 0",
        ),
        (lambda: PlaneSweepOptions(num_depths=10**6), "from 1 to 4096"),
        (lambda: PlaneSweepOptions(span=-1.0), "above 0"),
        (lambda: PlaneSweepOptions(span=float("nan")), "got nan"),
        (lambda: AveragingOptions(squarings=True), "got True"),
        (lambda: AveragingOptions(contradiction_angles=()), "must have 1 to .* numbers, got 0"),
        (lambda: RelativePoseOptions(first_widths_hd=(0.1, 0.0)), "got 0.0"),
        (lambda: FocalSearchOptions(focal_lengths_hd=(1.0, 2.0)), "at least three"),
        (lambda: SubpixelOptions(min_correlation=0.95), "below full_correlation"),
    ],
)
def test_options_fail_when_made(make, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make()


def test_scores_and_orbits_may_be_negative() -> None:
    assert PlaneSweepOptions(min_score=-1.0).min_score == -1
    assert RelativePoseOptions(orbits_deg=(-5.0, 5.0)).orbits_deg == (-5.0, 5.0)


def changed() -> ModelConfig:
    sweep = PlaneSweepOptions(num_depths=9, span=0.5)
    averaging = AveragingOptions(contradiction_angles=(0.5, 0.2))
    options = MultiviewOptions(plane_sweep=sweep, averaging=averaging)
    return dataclasses.replace(glance_small(), multiview=options)


def test_a_config_carries_them_where_they_are_not_the_default() -> None:
    assert "multiview" not in glance_small().to_dict()
    written = json.loads(json.dumps(changed().to_dict()))
    assert ModelConfig.from_dict(written) == changed()
    del written["multiview"]["averaging"]
    written["multiview"]["plane_sweep"] = {"span": 1}
    options = ModelConfig.from_dict(written).multiview
    assert options == MultiviewOptions(plane_sweep=PlaneSweepOptions(span=1.0))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "not an object"),
        ([], "not an object"),
        ({"sweep": {}}, "no 'sweep'"),
        ({"plane_sweep": {"spam": 1}}, "no 'spam'"),
        ({"plane_sweep": 3}, "not an object"),
        ({"plane_sweep": {"span": "wide"}}, "span"),
        ({"averaging": {"contradiction_angles": [0.5, "no"]}}, "contradiction_angles"),
    ],
)
def test_what_is_no_options_is_refused(data: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        ModelConfig.from_dict(glance_small().to_dict() | {"multiview": data})


@pytest.fixture(scope="module")
def small() -> VGGT:
    return load_model("glance-small")


def shifted_views(height: int, width: int) -> torch.Tensor:
    """Three crops of one smooth picture, a few pixels apart."""
    noise = torch.rand(1, 3, 16, 20, generator=torch.Generator().manual_seed(1))
    picture = F.interpolate(noise, size=(height + 16, width + 16), mode="bicubic").clamp(0, 1)[0]
    return torch.stack([picture[:, s : s + height, 2 * s : 2 * s + width] for s in (0, 4, 8)])


def match_all(network: VGGT, images: torch.Tensor) -> list[torch.Tensor]:
    """What geometry makes of the pictures: cameras, depth, tracks."""
    queries = torch.tensor([[40.0, 30.0], [60.0, 50.0]])
    outputs = reconcile(network(images, queries, outputs=("camera", "depth", "tracks")))
    return [outputs.pose_enc, outputs.depth, outputs.tracks]


@pytest.mark.parametrize(
    "options",
    [
        MultiviewOptions(focal_search=FocalSearchOptions(usual_distance=3.0)),
        MultiviewOptions(subpixel=SubpixelOptions(iterations=1)),
        MultiviewOptions(plane_sweep=PlaneSweepOptions(min_score=-50.0)),
    ],
)
def test_a_network_heeds_them(options: MultiviewOptions, small: VGGT) -> None:
    config = dataclasses.replace(small.config, multiview=options)
    changed_network = build_model(config).eval()
    changed_network.load_state_dict(small.state_dict())
    images = shifted_views(96, 128)
    with torch.inference_mode():
        matched = [match_all(network, images) for network in (small, changed_network)]
    assert any(not one.equal(other) for one, other in zip(*matched, strict=True))


def test_cameras_that_photos_share_are_one_a_view(small: VGGT) -> None:
    with pytest.raises(InputError, match="camera_ids must be one a view: 2, got 3"):
        small(shifted_views(96, 128)[:2], camera_ids=[0, 1, 1])
