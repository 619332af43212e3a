"""Training by several ranks against one process."""

import dataclasses
from pathlib import Path

import pytest
import torch

from glance3d.datasets import SyntheticConfig, SyntheticScenes
from glance3d.distributed import Group
from glance3d.errors import InputError
from glance3d.models.config import tiny
from glance3d.training import TrainConfig, Trainer, build_recipe
from glance3d.training.data.sample_batch import SyntheticSampler
from glance3d.training.losses.scene import LossWeights
from glance3d.training.run.training_log import read_log
from tests.distributed.processes import Command, in_ranks
from tests.training.scenes import make_sample


def build_sampler():
    return lambda index: make_sample(batch=3, seed=index)


def make_config() -> TrainConfig:
    """Three scenes a batch, uneven for two; some heads have no loss, one has it now and then."""
    return dataclasses.replace(
        build_recipe("tiny-test"),
        losses=LossWeights.only(camera=1.0, depth=1.0),
        depth_every_steps=2,
        total_samples=24,
        validate_every_samples=6,
        log_every_steps=1,
    )


Tensors = dict[str, torch.Tensor]


def train(group: Group, out: Path, steps: int, resume: bool) -> tuple[Tensors, Tensors]:
    """The weights afterwards, and the gradients of the last step."""
    trainer = Trainer(
        make_config(),
        out,
        build_sampler=build_sampler,
        build_validation_sampler=build_sampler,
        show_progress=False,
    )
    if resume:
        trainer.resume()
    trainer.run(max_steps=steps)
    assert trainer.progress.samples == 3 * trainer.progress.step
    named = trainer.model.named_parameters()
    gradients = {name: p.grad.clone() for name, p in named if p.grad is not None}
    return {n: p.detach().clone() for n, p in trainer.model.named_parameters()}, gradients


def distance(ours: Tensors, theirs: Tensors) -> float:
    """Of all numbers together."""
    assert ours.keys() == theirs.keys()
    return float(torch.stack([(ours[n] - theirs[n]).norm() for n in ours]).norm())


@pytest.mark.long
def test_ranks_train_as_one_process_and_go_on_with_another_number(tmp_path: Path) -> None:
    weights, gradients = train(Group(), tmp_path / "alone", 1, False)
    first, second = in_ranks(2, train, tmp_path / "shared", 1, False)
    assert distance(first[0], second[0]) == 0
    size = distance(gradients, {name: torch.zeros_like(g) for name, g in gradients.items()})
    assert distance(first[1], gradients) < 1e-4 * size
    end, _ = train(Group(), tmp_path / "alone", 2, True)
    shared_end, _ = in_ranks(3, train, tmp_path / "shared", 2, True)[0]
    # Adam divides by the gradient's size, so that rounding of tiny ones shows.
    assert distance(shared_end, end) < 0.05 * distance(end, weights)
    lines, wanted = (
        read_log(tmp_path / name / "log.jsonl", "train") for name in ("shared", "alone")
    )
    assert [line["step"] for line in lines] == [1, 2, 3]
    for line, other in zip(lines, wanted, strict=True):
        assert line["loss"] == pytest.approx(other["loss"], rel=1e-3)
        assert line["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-2)
    assert len(read_log(tmp_path / "shared" / "log.jsonl", "validation")) == 1


def test_parts_of_a_drawn_batch_are_its_scenes() -> None:
    data = SyntheticConfig(
        images_per_batch=10, num_views=(2, 2), max_pixels=4096, num_textures=16, texture_size=64
    )
    scenes = SyntheticScenes(data)
    whole = scenes.batch(3)
    assert len(whole.images) == 5
    parts = [scenes.batch(3, part, 2) for part in range(2)]
    assert [len(part.images) for part in parts] == [3, 2]
    for field in dataclasses.fields(whole):
        joined = torch.cat([getattr(part, field.name) for part in parts]).float().nan_to_num()
        wanted = getattr(whole, field.name).float().nan_to_num()
        # A ray past an edge may hit the other side of it, to rounding.
        differs = (joined - wanted).abs() > 1e-3 * wanted.abs() + 1e-3
        assert differs.float().mean() < 2e-3, field.name
    with pytest.raises(InputError, match="5 scenes cannot be shared by 6 processes"):
        scenes.batch(3, 0, 6)


@pytest.mark.long
def test_only_the_first_rank_writes_a_run(tmp_path: Path) -> None:
    words = ["train", "--recipe", "tiny-test", "--out", str(tmp_path / "run"), "--samples", "8"]
    (code, said, log), other = Command(2, words, tmp_path / "said").ends()
    assert code == 0, log
    assert '"samples": 8' in said
    assert other == (0, "", "")
    assert (tmp_path / "run" / "weights.safetensors").is_file()


def test_a_sampler_is_told_its_part() -> None:
    config = dataclasses.replace(build_recipe("tiny-test"), model=tiny())
    assert SyntheticSampler.of(config, "train", 1, 3).num_parts == 3
