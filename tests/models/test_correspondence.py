"""The correspondence layer: what it finds, and what it may not change."""

import dataclasses
import json

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from glance3d.errors import ConfigError
from glance3d.models import VGGT, build_model
from glance3d.models.aggregator import AggregatedTokens
from glance3d.models.config import (
    CorrespondenceConfig,
    ModelConfig,
    StemEmbedConfig,
    glance_small,
    tiny,
    vggt_1b,
)
from glance3d.models.correspondence import Correspondence, best_matches, estimate_first_poses
from glance3d.models.correspondence import layer as layer_module
from glance3d.models.correspondence.layer import cells_to_patches
from glance3d.models.correspondence.matches import cell_positions, find_matches, grid_to_unit
from glance3d.models.weights import load_weights, save_weights
from glance3d.training.correspondence_loss import capture_correspondence

LAYER = CorrespondenceConfig(descriptor_dim=16, hidden_dim=16, pair_dim=16, num_pools=2)


def small_config(correspondence: CorrespondenceConfig | None) -> ModelConfig:
    fields = tiny().to_dict() | {
        "patch_size": 16,
        "patch_embed": dataclasses.asdict(StemEmbedConfig(base_channels=8)),
    }
    return dataclasses.replace(ModelConfig.from_dict(fields), correspondence=correspondence)


def first_poses(found: Correspondence) -> torch.Tensor:
    """Of photos of 48 x 32 pixels."""
    pairs = best_matches(found.matches, found.relations, found.grid)
    return estimate_first_poses(pairs, found.relations, (32, 48))


def random_images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def talking() -> VGGT:
    """A network whose layer has something to say: its last matrices are not zero."""
    torch.manual_seed(0)
    model = build_model(small_config(LAYER)).eval().requires_grad_(False)
    layer = model.aggregator.correspondence
    assert layer is not None
    for linear in (
        layer.token_from_reference,
        layer.token_from_others,
        layer.camera_from_reference,
        layer.camera_from_others,
    ):
        torch.nn.init.normal_(linear.weight, std=0.3)
    return model


@pytest.mark.parametrize("views", [1, 3])
def test_a_new_layer_changes_nothing(views: int) -> None:
    torch.manual_seed(0)
    plain = build_model(small_config(None)).eval()
    extended = build_model(small_config(LAYER)).eval()
    missing, unexpected = extended.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert {name.split(".")[1] for name in missing} == {"correspondence"}
    images = random_images(2, views, 3, 32, 48)
    with torch.no_grad():
        before, after = plain(images), extended(images)
    torch.testing.assert_close(after.pose_enc, before.pose_enc, rtol=0, atol=1e-6)
    torch.testing.assert_close(after.depth, before.depth, rtol=0, atol=1e-5)


def test_it_changes_something_once_taught(talking: VGGT) -> None:
    plain = build_model(small_config(None)).eval()
    kept = {k: v for k, v in talking.state_dict().items() if "correspondence" not in k}
    plain.load_state_dict(kept)
    images = random_images(3, 3, 32, 48)
    with torch.no_grad():
        difference = talking(images).pose_enc - plain(images).pose_enc
    assert (difference.abs().amax(-1) > 1e-4).all()


def test_two_scenes_in_a_batch_equal_two_runs(talking: VGGT) -> None:
    images = random_images(2, 3, 3, 32, 48)
    together = talking(images, outputs=("camera", "depth"))
    for scene in range(2):
        alone = talking(images[scene], outputs=("camera", "depth"))
        torch.testing.assert_close(together.pose_enc[scene], alone.pose_enc[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(together.depth[scene], alone.depth[0], rtol=1e-4, atol=1e-5)


def test_views_after_the_first_may_be_reordered(talking: VGGT) -> None:
    images, order = random_images(4, 3, 32, 48), torch.tensor([0, 3, 1, 2])
    straight = talking(images, outputs=("camera", "depth"))
    shuffled = talking(images[order], outputs=("camera", "depth"))
    torch.testing.assert_close(shuffled.pose_enc, straight.pose_enc[:, order], rtol=0, atol=1e-5)
    torch.testing.assert_close(shuffled.depth, straight.depth[:, order], rtol=1e-4, atol=1e-5)


def aggregate(model: VGGT, images: torch.Tensor) -> tuple[AggregatedTokens, Correspondence | None]:
    with capture_correspondence(model.aggregator.correspondence) as captured:
        tokens = model.aggregator(images)
    return tokens, captured[0] if captured else None


def test_one_view_and_views_of_one_token(talking: VGGT) -> None:
    assert aggregate(talking, random_images(1, 1, 3, 32, 32))[1] is None
    tokens, found = aggregate(talking, random_images(1, 3, 3, 16, 16))
    assert found is not None
    assert found.grid == (2, 2)
    assert found.relations.pose_enc.shape == (1, 3, 3, 9)
    assert all(layer.isfinite().all() for layer in tokens.layers.values())


def test_gradients_reach_the_whole_layer() -> None:
    torch.manual_seed(0)
    blind = dataclasses.replace(LAYER, sharpen_radius=0)  # noise looks like nothing else
    model = build_model(small_config(blind))
    layer = model.aggregator.correspondence
    assert layer is not None
    for name, parameter in layer.named_parameters():
        if "_from_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    tokens, found = aggregate(model, random_images(1, 3, 3, 32, 48))
    assert found is not None
    told = found.described
    scores = told.sharpness * (told.descriptors[:, 0] @ told.descriptors[:, 1].mT)
    taught = scores.logsumexp(-1).sum() + told.unseen
    taught = taught + sum(
        part.square().sum() for part in (found.relations.pose_enc, found.relations.inlier_logits)
    )
    (taught + tokens.layers[3].square().sum()).backward()
    without = {n for n, p in layer.named_parameters() if p.grad is None or not p.grad.any()}
    assert without == set()


def test_matches_find_what_was_moved() -> None:
    grid, descriptors = (6, 8), torch.nn.functional.normalize(random_images(48, 32) - 0.5, dim=-1)
    as_map = descriptors.unflatten(0, grid)
    moved = torch.roll(as_map, (1, 2), (0, 1)).flatten(0, 1)
    sharpness, unseen = torch.tensor(60.0), torch.tensor(20.0)
    both = torch.stack([descriptors, moved])[None]
    found = find_matches(both, grid, sharpness, unseen, radius=1)
    where = cell_positions(grid, torch.device("cpu"))
    stays = (where[:, 0] < 6) & (where[:, 1] < 5)
    expected = where + torch.tensor([2.0, 1.0])
    assert (found.position[0, 0, 1] - expected)[stays].abs().max() < 0.05
    assert found.inside[0, 0, 1][stays].min() > 0.95
    assert found.mutual[0, 0, 1][stays].min() > 0.95


def test_what_resembles_nothing_is_not_inside() -> None:
    here, there = torch.eye(8)[None, :4], torch.eye(8)[None, 4:]
    found = find_matches(
        torch.stack([here, there], 1), (2, 2), torch.tensor(15.0), torch.tensor(8.0)
    )
    assert found.inside[0, 0, 1].max() < 0.01


def test_cells_go_to_the_patch_they_lie_in() -> None:
    cells = torch.arange(4 * 6).view(1, 1, 24, 1).float()
    patches = cells_to_patches(cells, (4, 6))
    assert patches[0, 0, 0].tolist() == [0, 1, 6, 7]
    assert patches[0, 0, -1].tolist() == [16, 17, 22, 23]


def test_unit_positions_are_centred_and_square() -> None:
    unit = grid_to_unit(cell_positions((3, 4), torch.device("cpu")), (3, 4))
    torch.testing.assert_close(unit.mean(0), torch.zeros(2), rtol=0, atol=1e-6)
    torch.testing.assert_close(unit[1] - unit[0], torch.tensor([0.4, 0.0]))
    torch.testing.assert_close(unit[4] - unit[0], torch.tensor([0.0, 0.4]))


def test_the_published_networks_have_no_such_layer() -> None:
    assert vggt_1b().correspondence is None
    assert tiny().correspondence is None


def test_configs_fail_when_made() -> None:
    with pytest.raises(ConfigError, match="stem"):
        dataclasses.replace(tiny(), correspondence=CorrespondenceConfig())
    with pytest.raises(ConfigError, match="only 6"):
        dataclasses.replace(glance_small(), correspondence=CorrespondenceConfig(after_layer=6))
    with pytest.raises(ConfigError, match="pair_dim"):
        CorrespondenceConfig(pair_dim=0)


def test_config_and_weights_round_trip(talking: VGGT, tmp_path) -> None:
    config = talking.config
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    path = tmp_path / "with_layer.safetensors"
    save_weights(talking, path, config)
    again = build_model(config).eval()
    load_weights(again, path, torch.device("cpu"))
    images = random_images(2, 3, 32, 48)
    with torch.no_grad():
        assert torch.equal(again(images).pose_enc, talking(images).pose_enc)


class NoWaiting(TorchDispatchMode):
    """Fails where a value is looked at, which would make a GPU's host wait."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert "_local_scalar_dense" not in str(func)
        assert "nonzero" not in str(func)
        assert "linalg_eigh" not in str(func)
        assert "linalg_svd" not in str(func)
        return func(*args, **(kwargs or {}))


def test_nothing_waits_for_a_device(talking: VGGT) -> None:
    layer = talking.aggregator.correspondence
    assert layer is not None
    tokens, maps = random_images(2, 3, 5 + 6, 64), random_images(2, 3, 32, 4, 6)
    with NoWaiting():
        _, found = layer(tokens, maps, 5, random_images(2, 3, 3, 32, 48))
        first_poses(found)
    with pytest.raises(AssertionError), NoWaiting():
        float(tokens.sum())


def test_a_camera_head_starts_from_what_the_matches_say() -> None:
    torch.manual_seed(0)
    config = small_config(LAYER)
    camera = dataclasses.replace(config.camera, start="matches")
    config = dataclasses.replace(config, camera=camera)
    model = build_model(config).eval()
    images = random_images(1, 3, 3, 32, 48)
    tokens, found = aggregate(model, images)
    assert found is not None
    assert tokens.correspondence is not None
    with torch.no_grad():
        said = model(images, outputs=("camera",)).pose_enc
        alone = model(images[:, :1], outputs=("camera",)).pose_enc
    # Before it has learned anything, the head changes nothing of its start.
    start = first_poses(found)
    torch.testing.assert_close(said, start, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone[0, 0], torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 1, 1]))


def test_many_views_are_read_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = build_model(small_config(LAYER)).eval()
    images = random_images(1, 5, 3, 32, 32)
    with torch.no_grad():
        _, whole = aggregate(model, images)
        monkeypatch.setattr(layer_module, "PAIRS_AT_A_TIME", 10)
        _, parts = aggregate(model, images)
    assert whole is not None
    assert parts is not None
    others = ~torch.eye(5, dtype=torch.bool)  # what a view says of itself is nonsense
    for name in ("weight", "pairs", "trust", "pose_enc", "inlier_logits"):
        found, expected = (getattr(r, name)[:, others] for r in (parts.relations, whole.relations))
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=2e-3)  # a solver is in between


def test_a_start_from_matches_needs_matches() -> None:
    config = small_config(None)
    with pytest.raises(ConfigError, match="starts from matches"):
        dataclasses.replace(config, camera=dataclasses.replace(config.camera, start="matches"))
