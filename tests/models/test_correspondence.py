"""The correspondence head: what it finds, and what it may not change."""

import dataclasses
import json

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from glance3d.errors import ConfigError
from glance3d.models import VGGT, build_model
from glance3d.models.config import (
    CorrespondenceConfig,
    ModelConfig,
    StemEmbedConfig,
    glance_small,
    tiny,
    vggt_1b,
)
from glance3d.models.heads import correspondence as head_module
from glance3d.models.weights.files import load_weights, save_weights
from glance3d.multiview.matches import Correspondence, cell_centers, grid_to_hd
from glance3d.multiview.matching.best_matches import select_pair_matches
from glance3d.multiview.matching.soft_matches import find_matches
from glance3d.multiview.options import MultiviewOptions
from glance3d.multiview.pose_initialisation import initialise_poses

HEAD = CorrespondenceConfig(descriptor_dim=16, hidden_dim=16, pair_dim=16, num_pools=2)


def small_config(correspondence: CorrespondenceConfig | None) -> ModelConfig:
    fields = tiny().to_dict() | {
        "patch_size": 16,
        "patch_embed": dataclasses.asdict(StemEmbedConfig(base_channels=8)),
    }
    return dataclasses.replace(ModelConfig.from_dict(fields), correspondence=correspondence)


def initial_poses(matched: Correspondence) -> torch.Tensor:
    """Of photos of 48 x 32 pixels."""
    options = MultiviewOptions()
    pairs = select_pair_matches(matched, options.pair_selection)
    return initialise_poses(pairs, matched.pair_poses(), (32, 48), options)


def random_images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def model() -> VGGT:
    torch.manual_seed(0)
    config = small_config(HEAD)
    camera = dataclasses.replace(config.camera, start="matches")
    return build_model(dataclasses.replace(config, camera=camera)).eval().requires_grad_(False)


def match(model: VGGT, images: torch.Tensor) -> Correspondence | None:
    return model.match(model.aggregator(images), images)


@pytest.mark.parametrize("views", [1, 3])
def test_other_heads_do_not_know_of_it(views: int) -> None:
    torch.manual_seed(0)
    plain = build_model(small_config(None)).eval()
    extended = build_model(small_config(HEAD)).eval()
    missing, unexpected = extended.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"correspondence_head"}
    images = random_images(2, views, 3, 32, 48)
    with torch.no_grad():
        before, after = plain(images), extended(images)
    assert torch.equal(after.pose_enc, before.pose_enc)
    assert torch.equal(after.depth, before.depth)


def test_two_scenes_in_a_batch_equal_two_runs(model: VGGT) -> None:
    images = random_images(2, 3, 3, 32, 48)
    together = match(model, images)
    assert together is not None
    for scene in range(2):
        alone = match(model, images[scene : scene + 1])
        assert alone is not None
        for both, one in zip(together.matches[1:], alone.matches[1:], strict=True):
            torch.testing.assert_close(both[scene], one[0], rtol=0, atol=1e-4)


def test_views_may_be_reordered(model: VGGT) -> None:
    images, order = random_images(4, 3, 32, 48), torch.tensor([0, 3, 1, 2])
    straight, shuffled = match(model, images[None]), match(model, images[order][None])
    assert straight is not None
    assert shuffled is not None
    for before, after in zip(straight.matches[1:], shuffled.matches[1:], strict=True):
        torch.testing.assert_close(after[0], before[0, order][:, order], rtol=0, atol=1e-4)


def test_one_view_and_views_of_one_token(model: VGGT) -> None:
    assert match(model, random_images(1, 1, 3, 32, 32)) is None
    matched = match(model, random_images(1, 3, 3, 16, 16))
    assert matched is not None
    assert matched.grid == (2, 2)
    assert matched.pair_estimates.pose_enc.shape == (1, 3, 3, 9)
    assert all(part.isfinite().all() for part in (*matched.matches, *matched.pair_estimates))


def test_tokens_without_its_layer_are_not_described(model: VGGT) -> None:
    tokens = model.aggregator(random_images(1, 2, 3, 32, 32), layers=(0, 3))
    assert model.describe(tokens) is None


def test_the_same_whether_layers_are_streamed_or_kept(model: VGGT) -> None:
    images = random_images(1, 3, 3, 32, 48)
    tokens = model.aggregator(images)
    matched = model.match(tokens, images)
    initial = model.initial_poses(matched, (32, 48))
    apart = model.decode(tokens, images, ("camera",), initial_poses=initial)
    assert torch.equal(apart.pose_enc, model(images, outputs=("camera",)).pose_enc)


def test_gradients_reach_the_whole_head_and_the_layers_below() -> None:
    torch.manual_seed(0)
    blind = dataclasses.replace(HEAD, sharpen_radius=0)  # noise looks like nothing else
    model = build_model(small_config(blind))
    images = random_images(1, 3, 3, 32, 48)
    tokens = model.aggregator(images)
    described, matched = model.describe(tokens), model.match(tokens, images)
    assert described is not None
    assert matched is not None
    scores = described.inverse_temperature * (
        described.descriptors[:, 0] @ described.descriptors[:, 1].mT
    )
    taught = scores.logsumexp(-1).sum() + described.dustbin_score
    taught = taught + sum(
        part.square().sum()
        for part in (matched.pair_estimates.pose_enc, matched.pair_estimates.inlier_logits)
    )
    taught.backward()
    assert model.correspondence_head is not None
    aggregator = model.aggregator
    parts = (model.correspondence_head, aggregator.patch_embed, aggregator.global_blocks[0])
    for part in parts:
        without = {n for n, p in part.named_parameters() if p.grad is None or not p.grad.any()}
        assert without == set()


def test_matches_find_what_was_moved() -> None:
    grid, descriptors = (6, 8), torch.nn.functional.normalize(random_images(48, 32) - 0.5, dim=-1)
    as_map = descriptors.unflatten(0, grid)
    moved = torch.roll(as_map, (1, 2), (0, 1)).flatten(0, 1)
    inverse_temperature, dustbin_score = torch.tensor(60.0), torch.tensor(20.0)
    both = torch.stack([descriptors, moved])[None]
    matches = find_matches(both, grid, inverse_temperature, dustbin_score, radius=1)
    where = cell_centers(grid, torch.device("cpu"))
    stays = (where[:, 0] < 6) & (where[:, 1] < 5)
    expected = where + torch.tensor([2.0, 1.0])
    assert (matches.target_xy[0, 0, 1] - expected)[stays].abs().max() < 0.05
    assert matches.window_probability[0, 0, 1][stays].min() > 0.95
    assert matches.mutual[0, 0, 1][stays].min() > 0.95


def test_what_resembles_nothing_is_not_inside() -> None:
    first, second = torch.eye(8)[None, :4], torch.eye(8)[None, 4:]
    matches = find_matches(
        torch.stack([first, second], 1), (2, 2), torch.tensor(15.0), torch.tensor(8.0)
    )
    assert matches.window_probability[0, 0, 1].max() < 0.01


def test_unit_positions_are_centred_and_square() -> None:
    unit = grid_to_hd(cell_centers((3, 4), torch.device("cpu")), (3, 4))
    torch.testing.assert_close(unit.mean(0), torch.zeros(2), rtol=0, atol=1e-6)
    torch.testing.assert_close(unit[1] - unit[0], torch.tensor([0.4, 0.0]))
    torch.testing.assert_close(unit[4] - unit[0], torch.tensor([0.0, 0.4]))


def test_the_published_networks_have_no_such_head() -> None:
    assert vggt_1b().correspondence is None
    assert tiny().correspondence is None


def test_configs_fail_when_made() -> None:
    with pytest.raises(ConfigError, match="stem"):
        dataclasses.replace(tiny(), correspondence=CorrespondenceConfig())
    with pytest.raises(ConfigError, match="only 6"):
        dataclasses.replace(glance_small(), correspondence=CorrespondenceConfig(layer=6))
    with pytest.raises(ConfigError, match="pair_dim"):
        CorrespondenceConfig(pair_dim=0)


def test_config_and_weights_round_trip(model: VGGT, tmp_path) -> None:
    config = model.config
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    path = tmp_path / "with_head.safetensors"
    save_weights(model, path, config)
    again = build_model(config).eval()
    load_weights(again, path, torch.device("cpu"))
    images = random_images(2, 3, 32, 48)
    with torch.no_grad():
        assert torch.equal(again(images).pose_enc, model(images).pose_enc)


class NoWaiting(TorchDispatchMode):
    """Fails where a value is looked at, which would make a GPU's host wait."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert "_local_scalar_dense" not in str(func)
        assert "nonzero" not in str(func)
        assert "linalg_eigh" not in str(func)
        assert "linalg_svd" not in str(func)
        return func(*args, **(kwargs or {}))


def test_nothing_waits_for_a_device(model: VGGT) -> None:
    head = model.correspondence_head
    assert head is not None
    patches, maps = random_images(2, 3, 6, 64), random_images(6, 32, 4, 6)
    with NoWaiting():
        initial_poses(head(head.describe(patches, maps), random_images(2, 3, 3, 32, 48)))
    with pytest.raises(AssertionError), NoWaiting():
        float(patches.sum())


def test_a_camera_head_starts_from_what_the_matches_say(model: VGGT) -> None:
    images = random_images(1, 3, 3, 32, 48)
    matched = match(model, images)
    assert matched is not None
    pose_enc = model(images, outputs=("camera",)).pose_enc
    alone = model(images[:, :1], outputs=("camera",)).pose_enc
    # Before it has learned anything, the head changes nothing of its start.
    torch.testing.assert_close(pose_enc, initial_poses(matched), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone[0, 0], torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 1, 1]))


def test_matches_are_only_looked_for_where_cameras_are_asked_for(
    model: VGGT, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("cells were matched")

    monkeypatch.setattr(head_module, "find_matches", refuse)
    images = random_images(1, 3, 3, 32, 48)
    model(images, outputs=("depth",))
    with pytest.raises(AssertionError, match="matched"):
        model(images, outputs=("camera",))


def test_many_views_are_read_some_at_a_time(model: VGGT, monkeypatch: pytest.MonkeyPatch) -> None:
    images = random_images(1, 5, 3, 32, 32)
    with torch.no_grad():
        whole = match(model, images)
        monkeypatch.setattr(head_module, "PAIRS_AT_A_TIME", 10)
        parts = match(model, images)
    assert whole is not None
    assert parts is not None
    others = ~torch.eye(5, dtype=torch.bool)  # what a view says of itself is nonsense
    for in_parts, expected in zip(parts.pair_estimates, whole.pair_estimates, strict=True):
        torch.testing.assert_close(  # a solver is in between
            in_parts[:, others], expected[:, others], rtol=1e-2, atol=2e-3
        )


def test_a_start_from_matches_needs_matches() -> None:
    config = small_config(None)
    with pytest.raises(ConfigError, match="starts from matches"):
        dataclasses.replace(config, camera=dataclasses.replace(config.camera, start="matches"))


def test_of_many_views_those_that_look_alike_are_matched(model: VGGT) -> None:
    images = random_images(1, 6, 3, 32, 32)
    head = model.correspondence_head
    assert head is not None
    every = match(model, images)
    options = head.options
    few = dataclasses.replace(options.pair_selection, candidates_per_view=2)
    head.options = dataclasses.replace(options, pair_selection=few)
    chosen = match(model, images)
    head.options = options
    assert every is not None
    assert chosen is not None
    assert chosen.pairs is not None
    first, second = chosen.pairs
    assert first.shape == (1, 2 * 6)
    scene = torch.zeros_like(first)
    parts = ((chosen.matches, every.matches), (chosen.pair_estimates, every.pair_estimates))
    for some, whole in (pair for both in parts for pair in zip(*both, strict=True)):
        expected = torch.stack([whole[scene, first, second], whole[scene, second, first]], 1)
        torch.testing.assert_close(some, expected, rtol=1e-2, atol=2e-3)
    poses = chosen.pair_poses()
    matched = poses.pose_enc.abs().sum(-1) > 0
    assert matched.sum() == 2 * 2 * 6
    assert matched.equal(matched.mT)
