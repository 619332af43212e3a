"""Weights, checkpoints and logs of the smallest networks that have every part."""

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file

from glance3d.models import VGGT, build_model, config
from glance3d.models.config import ModelConfig, StemEmbedConfig
from glance3d.models.weights.files import save_weights
from glance3d.training import TrainConfig, Trainer, build_recipe
from glance3d.training.run.training_log import TrainingLog
from tests.fuzz.seeds import Seed, seed_of_folder


@cache
def smallest() -> ModelConfig:
    """Cameras alone, from a stem: a few thousand parameters."""
    return replace(
        config.tiny(),
        name="smallest",
        embed_dim=16,
        patch_size=16,
        patch_embed=StemEmbedConfig(base_channels=4),
        aggregator=config.AggregatorConfig(depth=1, num_heads=2),
        camera=config.CameraHeadConfig(trunk_depth=1, num_heads=2),
        depth=None,
        points=None,
        tracks=None,
    )


def training() -> TrainConfig:
    """A run of that network."""
    return replace(build_recipe("tiny-test"), model=smallest())


def weights_seeds() -> list[Seed]:
    """``.safetensors`` with the config of its network."""
    with tempfile.TemporaryDirectory() as folder:
        save_weights(_network(), Path(folder) / "weights.safetensors", smallest())
        return [seed_of_folder(Path(folder))]


def config_seeds() -> list[Seed]:
    """``.safetensors`` with configs of larger networks and no tensors: their headers alone."""
    seeds = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        for whole in (config.tiny(), config.glance_small(), config.vggt_1b()):
            save_weights(torch.nn.Module(), path, whole)
            seeds.append(seed_of_folder(Path(folder)))
    return seeds


def pickled_weights_seeds() -> list[Seed]:
    """``.pt`` files: plain, and within a dictionary as training codes write them."""
    seeds = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_weights(_network(), path, smallest())
        tensors = load_file(path)
        path.unlink()
        for whole in (tensors, {"model": tensors, "epoch": 3}):
            torch.save(whole, Path(folder) / "weights.pt")
            seeds.append(seed_of_folder(Path(folder)))
    return seeds


def checkpoint_seeds() -> list[Seed]:
    """``checkpoint.pt`` after one step."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(training(), folder, show_progress=False)
        take_step(trainer)
        trainer.save()
        return [Seed({"checkpoint.pt": (Path(folder) / "checkpoint.pt").read_bytes()})]


def take_step(trainer: Trainer) -> None:
    """An update that changes nothing, by all that a checkpoint holds."""
    for parameter in trainer.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    trainer.optimiser.step()
    trainer.average.update(trainer.model)


def log_seeds() -> list[Seed]:
    """``log.jsonl`` of a short run."""
    with tempfile.TemporaryDirectory() as folder:
        log = TrainingLog(Path(folder) / "log.jsonl")
        log.write("resumed", 0, 0, changed="{}")
        for step in range(1, 6):
            log.write("train", step, 4 * step, loss=2.0 / step, camera=float("nan"))
        log.write("validation", 5, 20, loss=0.5, camera=0.25)
        return [seed_of_folder(Path(folder))]


@cache
def _network() -> VGGT:
    torch.manual_seed(0)
    return build_model(smallest())
