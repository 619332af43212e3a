"""What must hold whatever the weights are."""

from dataclasses import replace

import pytest
import torch

from glance3d.errors import ConfigError, InputError
from glance3d.models import VGGT, build_model
from glance3d.models.config import (
    AggregatorConfig,
    CameraHeadConfig,
    ConvEmbedConfig,
    DPTHeadConfig,
    ModelConfig,
    StemEmbedConfig,
    VGGTConfig,
    glance_small,
    tiny,
    vggt_1b,
)
from glance3d.nn.chunks import CPU_PIXELS, smaller_chunks
from glance3d.nn.patch_embed import ConvStem
from tests.golden_weights import fill_with_golden_weights


@pytest.fixture(scope="module")
def model() -> VGGT:
    model = build_model(tiny()).eval().requires_grad_(False)
    fill_with_golden_weights(model)
    return model


def random_scene(views: int = 3, height: int = 56, width: int = 70, seed: int = 0) -> torch.Tensor:
    return torch.rand(views, 3, height, width, generator=torch.Generator().manual_seed(seed))


QUERIES = torch.tensor([[10.0, 20.0], [33.5, 41.0]])


def assert_same(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=2e-5 * float(b.abs().max()))


def test_two_scenes_in_a_batch_equal_two_runs(model: VGGT) -> None:
    scenes = torch.stack([random_scene(seed=1), random_scene(seed=2)])
    queries = torch.stack([QUERIES, QUERIES + 3])
    together = model(scenes, queries).as_dict()
    for index in range(2):
        alone = model(scenes[index], queries[index]).as_dict()
        for name, value in alone.items():
            if name != "pose_enc_list":
                assert_same(together[name][index], value[0])


def test_views_after_the_first_may_be_reordered(model: VGGT) -> None:
    images = random_scene(views=4)
    order = torch.tensor([0, 3, 1, 2])
    straight = model(images, QUERIES).as_dict()
    shuffled = model(images[order], QUERIES).as_dict()
    for name, value in straight.items():
        if name != "pose_enc_list":
            assert_same(shuffled[name][0], value[0][order])


def test_the_first_view_is_special(model: VGGT) -> None:
    images = random_scene(views=3)
    straight = model(images, outputs=("camera",)).pose_enc
    swapped = model(images[[1, 0, 2]], outputs=("camera",)).pose_enc
    assert (straight[0, 2] - swapped[0, 2]).abs().max() > 1e-3


@pytest.mark.parametrize("outputs", [("camera",), ("depth",), ("camera", "points"), ("tracks",)])
def test_only_what_is_asked_for_is_computed(model: VGGT, outputs, monkeypatch) -> None:
    heads = {
        "camera": model.camera_head,
        "depth": model.depth_head,
        "points": model.point_head,
        "tracks": model.track_head,
    }
    called = []
    hooks = [
        head.register_forward_hook(lambda *_, name=name: called.append(name))
        for name, head in heads.items()
    ]
    predicted = model(random_scene(), QUERIES, outputs=outputs)
    for hook in hooks:
        hook.remove()
    assert tuple(called) == outputs
    published = {
        "camera": "pose_enc",
        "depth": "depth",
        "points": "world_points",
        "tracks": "track",
    }
    assert set(published.values()) & set(predicted.as_dict()) == {published[o] for o in outputs}


def test_tracks_need_query_points_to_be_computed(model: VGGT) -> None:
    predicted = model(random_scene()).as_dict()
    assert "track" not in predicted
    assert {"pose_enc", "depth", "world_points"} <= set(predicted)


def test_only_asked_layers_are_kept(model: VGGT) -> None:
    images = random_scene()[None]
    kept = model.aggregator(images, layers=(1, 3)).layers
    every = model.aggregator(images).layers
    assert sorted(kept) == [1, 3]
    assert sorted(every) == [0, 1, 2, 3]
    assert torch.equal(kept[1], every[1])
    assert every[0].shape == (1, 3, 5 + 4 * 5, 128)


def test_layers_needed_by_each_output() -> None:
    config = vggt_1b()
    assert config.layers_needed(("camera",)) == (23,)
    assert config.layers_needed(("depth",)) == (4, 11, 17, 23)


@pytest.mark.parametrize(
    "embed",
    [None, ConvEmbedConfig(), StemEmbedConfig(base_channels=8)],
    ids=["vit", "conv", "stem"],
)
def test_gradients_reach_every_used_parameter(embed) -> None:
    config = tiny()
    if embed is not None:
        fields = config.to_dict() | {"patch_embed": embed.__dict__, "patch_size": 16}
        config = ModelConfig.from_dict(fields)
    torch.manual_seed(0)
    model = build_model(config)
    side = 4 * config.patch_size
    predicted = model(random_scene(3, side, side), QUERIES)
    terms = (
        predicted.pose_enc,
        predicted.depth,
        predicted.depth_conf,
        predicted.points_world,
        predicted.points_conf,
    )
    track_terms = (predicted.tracks, predicted.visibility, predicted.track_conf)
    sum(term.square().mean() for term in (*terms, *track_terms)).backward()
    without = {
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    }
    # what the last update writes to virtual tracks is dropped, and they are read before
    assert without == set()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(2, 4, 56, 70), "3 channels"),
        (torch.rand(2, 3, 56, 71), "multiples of the patch"),
        (torch.full((2, 3, 56, 70), float("nan")), "NaN"),
        (torch.rand(0, 3, 56, 70), "at least one view"),
        (torch.rand(3, 56, 70), r"\[S,3,H,W\]"),
        (torch.rand(2, 3, 56, 70) * 255, "values up to"),
        (torch.zeros(2, 3, 56, 70, dtype=torch.uint8), "divide by 255"),
    ],
    ids=["channels", "patch", "nan", "empty", "dimensions", "range", "dtype"],
)
def test_bad_images(model: VGGT, images: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model(images)


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (torch.tensor([[80.0, 3.0]]), "outside"),
        (torch.tensor([[float("nan"), 3.0]]), "outside"),
        (torch.zeros(0, 2), "empty"),
        (torch.zeros(2, 3), "pixels"),
        (torch.zeros(2, 1, 2), "2 scenes"),
    ],
    ids=["outside", "nan", "empty", "shape", "scenes"],
)
def test_bad_query_points(model: VGGT, queries: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model(random_scene(), queries)


def test_images_too_small_for_tracks() -> None:
    model = build_model(glance_small()).eval()
    with pytest.raises(InputError, match="tracks need images of at least 32"):
        model(torch.rand(1, 3, 16, 64), torch.tensor([[3.0, 3.0]]))


def test_focal_lengths_are_one_a_view() -> None:
    model, images = build_model(tiny()), torch.rand(2, 3, 28, 28)
    with pytest.raises(InputError, match=r"one a view: \(1, 2\), got \(1, 3\)"):
        model(images, focal_lengths=torch.ones(3))
    assert model(images, focal_lengths=torch.ones(2)).pose_enc is not None


def test_unknown_and_absent_outputs(model: VGGT) -> None:
    with pytest.raises(InputError, match="unknown output"):
        model(random_scene(), outputs=("normals",))
    with pytest.raises(InputError, match="without query_points"):
        model(random_scene(), outputs=("tracks",))
    config = ModelConfig.from_dict(tiny().to_dict() | {"points": None})
    with pytest.raises(InputError, match="no 'points' head"):
        build_model(config)(random_scene(), outputs=("points",))


def test_the_order_of_frame_and_global_blocks_is_a_choice(model: VGGT) -> None:
    config = tiny()
    fields = config.to_dict()
    fields["aggregator"]["order"] = ["global", "frame"]
    other = build_model(ModelConfig.from_dict(fields)).eval()
    fill_with_golden_weights(other)
    images = random_scene()
    assert not torch.allclose(
        other(images, outputs=("camera",)).pose_enc, model(images, outputs=("camera",)).pose_enc
    )


def with_a_stem(reads_stem: bool) -> VGGT:
    config = tiny()
    assert config.depth is not None
    assert config.tracks is not None
    return build_model(
        replace(
            config,
            patch_size=16,
            patch_embed=StemEmbedConfig(base_channels=8),
            depth=replace(config.depth, reads_stem=reads_stem),
            points=None,
            tracks=replace(config.tracks, reads_stem=reads_stem),
        )
    ).eval()


def test_what_a_head_reads_of_a_stem_starts_from_nothing_and_then_counts() -> None:
    plain, reading = with_a_stem(False), with_a_stem(True)
    missing = reading.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing
    assert all("stem_laterals" in name for name in missing)
    images = random_scene(views=3, height=64, width=80)
    before, at_first = (net(images, QUERIES) for net in (plain, reading))
    assert torch.equal(before.depth, at_first.depth)
    fill_with_golden_weights(reading)
    whole = reading(images, QUERIES)
    silent = with_a_stem(True)
    fill_with_golden_weights(silent)
    for head in (silent.depth_head, silent.track_head.feature_extractor):
        for name, parameter in head.named_parameters():
            if "stem_laterals" in name:
                parameter.data.zero_()
    without_stem = silent(images, QUERIES)
    assert not torch.allclose(whole.depth, without_stem.depth, rtol=1e-3)
    assert not torch.allclose(whole.tracks, without_stem.tracks, atol=1e-2)
    # The maps of a view go with its tokens, in chunks of views as in whole scenes, and in
    # training, where all tokens come first.
    with torch.inference_mode(), smaller_chunks(64 * 80 / CPU_PIXELS):
        in_chunks = reading(torch.stack([images, images.flip(0)]), outputs=("depth",))
    assert_same(in_chunks.depth[0], whole.depth[0])
    tokens = reading.aggregator(images[None])
    assert_same(reading.decode(tokens, images[None], ("depth",)).depth, whole.depth)


def test_configs_fail_when_made() -> None:
    with pytest.raises(ConfigError, match="order"):
        AggregatorConfig(order=("frame", "frame"))
    with pytest.raises(ConfigError, match="four layers"):
        DPTHeadConfig(layers=(1, 2))
    with pytest.raises(ConfigError, match="must divide"):
        VGGTConfig(name="odd", embed_dim=100)
    with pytest.raises(ConfigError, match="stem patch_embed"):
        VGGTConfig(name="stemless", depth=DPTHeadConfig(reads_stem=True))
    with pytest.raises(ConfigError, match="too few maps"):
        ConvStem(patch_size=4, embed_dim=16, base_channels=8)
    with pytest.raises(ConfigError, match="reads layers"):
        VGGTConfig(name="shallow", aggregator=AggregatorConfig(depth=4))


def test_configs_round_trip_as_json() -> None:
    import json

    for config in (tiny(), glance_small(), vggt_1b()):
        assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert CameraHeadConfig().num_iterations == 4


def test_training_mode_gives_gradients_after_inference_has_cached_tables(model: VGGT) -> None:
    fresh = build_model(tiny())
    with torch.inference_mode():
        fresh(random_scene(), QUERIES)
    fresh(random_scene(), QUERIES).depth.sum().backward()
