"""Simulated matches, and that relative poses are learned from them."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from glance3d.datasets import SyntheticConfig, SyntheticScenes
from glance3d.datasets.synthetic.places import TruePlaces
from glance3d.errors import ConfigError, WeightsError
from glance3d.geometry.cameras import project_points, unproject_depth
from glance3d.models import build_model
from glance3d.models.config import CorrespondenceConfig, StemEmbedConfig, tiny
from glance3d.models.heads.pair_pose_network import PairPoseNet
from glance3d.models.weights.files import save_weights
from glance3d.multiview.options import EightPointOptions
from glance3d.training import Trainer, build_recipe
from glance3d.training.config import RelationPretrainingConfig, TrainConfig
from glance3d.training.losses.scene import LossWeights
from glance3d.training.relation_pretraining import (
    pretrain_relations,
    pretraining_losses,
    simulate_matches,
)
from glance3d.training.run.checkpoint import load_checkpoint, save_checkpoint
from glance3d.training.run.training_log import read_log
from tests.training.scenes import make_sample

DATA = SyntheticConfig(
    images_per_batch=12, num_views=(2, 3), max_pixels=64 * 64, num_textures=16, texture_size=64
)
CELL = 8


@pytest.fixture(scope="module")
def scenes() -> SyntheticScenes:
    return SyntheticScenes(DATA, 3)


@pytest.fixture(scope="module")
def places(scenes: SyntheticScenes) -> TruePlaces:
    return scenes.places(0, CELL)


def test_places_are_those_of_the_rendered_batch(
    scenes: SyntheticScenes, places: TruePlaces
) -> None:
    sample = scenes.batch(0)
    torch.testing.assert_close(places.cam_from_world, sample.cam_from_world)
    # Depth is known at pixel centres, cells' centres lie between four: their mean is close.
    blocks = sample.depth.unfold(2, CELL, CELL).unfold(3, CELL, CELL)[..., 3:5, 3:5]
    depth, flat = blocks.mean((-1, -2)), blocks.amax((-1, -2)) < 1.02 * blocks.amin((-1, -2))
    solid = flat & (blocks.amin((-1, -2)) > 0)
    intrinsics = sample.intrinsics.clone()
    intrinsics[..., :2, :] /= CELL
    points = unproject_depth(depth, sample.cam_from_world, intrinsics)[:, 0].flatten(1, 2)
    expected, _ = project_points(points, sample.cam_from_world[:, 1], sample.intrinsics[:, 1])
    counted = solid[:, 0].flatten(1) & places.seen[:, 0, 1]
    assert counted.sum() > 50
    distance = (expected - places.pixels[:, 0, 1]).norm(dim=-1)[counted]
    assert distance.median() < 0.3


def test_a_cell_is_where_it_is_in_its_own_view(places: TruePlaces) -> None:
    rows, columns = places.grid
    first = places.pixels[:, 0, 0].unflatten(1, (rows, columns))[:, 0, 0]
    torch.testing.assert_close(first, torch.full_like(first, CELL / 2), atol=0.01, rtol=0)


def test_simulated_matches_are_right_where_they_are_sure(places: TruePlaces) -> None:
    count = places.seen.shape[-1]
    matches = simulate_matches(places, count, torch.Generator().manual_seed(0))
    own = matches.source_xy[0, 0, 0]
    order = (own[:, 1] * places.grid[1] + own[:, 0]).round().long()
    truth = places.pixels[..., order, :] / CELL - 0.5
    error = (matches.target_xy - truth).norm(dim=-1)
    seen, weight = places.seen[..., order], matches.window_probability * matches.mutual
    sure = weight > weight.quantile(0.8)
    assert (error[sure & seen] < 1.5).float().mean() > 0.8
    assert weight[~seen].mean() < 0.5 * weight[seen & (error < 1)].mean()
    assert matches.target_xy.isfinite().all()


def test_fewer_cells_may_be_drawn(places: TruePlaces) -> None:
    matches = simulate_matches(places, 10, torch.Generator().manual_seed(0))
    assert matches.source_xy.shape == matches.target_xy.shape
    assert matches.window_probability.shape[-1] == 10


def test_pretraining_lowers_the_loss_and_is_repeatable(places: TruePlaces) -> None:
    config = RelationPretrainingConfig(
        num_steps=15, peak_lr=4e-3, warmup_steps=3, images_per_batch=8, cells_per_view=24
    )

    def pretrained(config: RelationPretrainingConfig) -> PairPoseNet:
        torch.manual_seed(0)
        relations = PairPoseNet(
            CorrespondenceConfig(hidden_dim=32, pair_dim=32), EightPointOptions()
        )
        pretrain_relations(relations, DATA, CELL, config, seed=1, show_progress=False)
        return relations

    def loss(relations: PairPoseNet) -> float:
        with torch.no_grad():
            generator = torch.Generator().manual_seed(5)
            return float(pretraining_losses(relations, places, 64, generator)["pairs"])

    once = pretrained(config)
    torch.manual_seed(0)
    untrained = PairPoseNet(CorrespondenceConfig(hidden_dim=32, pair_dim=32), EightPointOptions())
    assert loss(once) < 0.95 * loss(untrained)
    short = dataclasses.replace(config, num_steps=3)
    twice = pretrained(short), pretrained(short)
    for first, second in zip(*(each.parameters() for each in twice), strict=True):
        assert torch.equal(first, second)


def config_with_layer() -> TrainConfig:
    config = build_recipe("tiny-test")
    layer = CorrespondenceConfig(hidden_dim=16, pair_dim=16, descriptor_dim=16)
    stem = StemEmbedConfig(base_channels=8)
    model = dataclasses.replace(config.model, patch_size=16, patch_embed=stem, correspondence=layer)
    return dataclasses.replace(
        config,
        model=model,
        losses=LossWeights(1.0, 0.0, 0.0, 0.0, 0.0, descriptors=1.0, pairs=1.0),
        relation_pretraining=RelationPretrainingConfig(
            num_steps=2, images_per_batch=8, cells_per_view=16
        ),
        validate_every_samples=0,
        log_every_steps=1,
    )


def run(out: Path, steps: int, **options: bool) -> Trainer:
    def build_sampler():
        return lambda index: make_sample(size=64, seed=index)

    trainer = Trainer(config_with_layer(), out, build_sampler=build_sampler, show_progress=False)
    if options.get("resume"):
        trainer.resume()
    trainer.run(max_steps=steps)
    return trainer


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run after its first step."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    run(folder, 1)
    return folder


def test_a_run_pretrains_once_and_resumes_bit_for_bit(begun: Path, tmp_path: Path) -> None:
    straight = run(tmp_path / "straight", 2)
    shutil.copytree(begun, tmp_path / "parts")
    parts = run(tmp_path / "parts", 1, resume=True)
    assert len(read_log(tmp_path / "parts" / "log.jsonl", "rehearsed")) == 1
    for whole, resumed in zip(straight.model.parameters(), parts.model.parameters(), strict=True):
        assert torch.equal(whole, resumed)


def test_a_checkpoint_with_the_old_field_names_is_resumed(begun: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(begun / "checkpoint.pt")
    fields = dict(checkpoint.config)
    fields["rehearsal"] = fields.pop("relation_pretraining")
    fields["learns"] = fields.pop("trainable")
    save_checkpoint(dataclasses.replace(checkpoint, config=fields), tmp_path / "renamed.pt")
    trainer = Trainer(config_with_layer(), tmp_path / "new", show_progress=False)
    trainer.resume(tmp_path / "renamed.pt")
    assert trainer.progress.step == 1
    (resumed,) = read_log(tmp_path / "new" / "log.jsonl", "resumed")
    assert resumed["changed"] == "{}"


def test_a_run_may_start_from_weights_that_lack_the_layer(tmp_path: Path) -> None:
    config = config_with_layer()
    plain = build_model(dataclasses.replace(config.model, correspondence=None))
    save_weights(plain, tmp_path / "plain.safetensors", plain.config)
    trainer = Trainer(config, tmp_path / "run", show_progress=False)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.start_from(tmp_path / "plain.safetensors")
    given = plain.state_dict()
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, given.get(name, before[name]))
    assert len(given) < len(before)
    wrong = build_model(tiny())
    save_weights(wrong, tmp_path / "wrong.safetensors", wrong.config)
    with pytest.raises(WeightsError, match="does not fit"):
        trainer.start_from(tmp_path / "wrong.safetensors")


@pytest.mark.parametrize("has_layer", [True, False])
def test_weights_with_a_correspondence_head_are_not_pretrained_again(
    tmp_path: Path, has_layer: bool
) -> None:
    config = config_with_layer()
    layer = config.model.correspondence if has_layer else None
    start = build_model(dataclasses.replace(config.model, correspondence=layer))
    save_weights(start, tmp_path / "start.safetensors", start.config)
    trainer = Trainer(config, tmp_path / "run", show_progress=False)
    trainer.start_from(tmp_path / "start.safetensors")
    trainer.pretrain_relations()
    pretrained = read_log(tmp_path / "run" / "log.jsonl", "rehearsed")
    assert len(pretrained) == (0 if has_layer else 1)


def test_only_the_named_parameters_are_trained(tmp_path: Path) -> None:
    config = dataclasses.replace(config_with_layer(), trainable=("camera_head.",))
    trainer = Trainer(config, tmp_path / "run", show_progress=False)
    trained = {name for name, p in trainer.model.named_parameters() if p.requires_grad}
    assert trained
    assert all(name.startswith("camera_head.") for name in trained)
    with pytest.raises(ConfigError, match="no parameter"):
        Trainer(dataclasses.replace(config, trainable=("camera_hat.",)), tmp_path / "other")
