"""Ablations: how much each design choice helps a small network, by training without it.

    python -m benchmarks.ablations --start-from WEIGHTS --textures DIR --out RUNS

Two studies, each of the same scenes for every variant, with several seeds (of scenes and of first
weights), and measured on the same scenes of the validation split:

- "matching": everything below the track head's maps is trained from scratch, by the matching loss;
- "heads": the depth and track heads are trained from scratch, on the frozen aggregator of
  ``--start-from``.

Finished runs are kept below ``--out`` and not repeated: seeds may be run side by side, and the
table at the end is of all finished runs.
"""

import argparse
import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import cast

import torch
from safetensors.torch import load_file, save_file

from benchmarks.compare import describe_machine
from glance3d.datasets import MultiViewSample
from glance3d.evaluation.metrics import depth_errors
from glance3d.files.atomic import save_json
from glance3d.models import VGGT
from glance3d.models.config import ConvEmbedConfig, VGGTConfig
from glance3d.training.config import TrainConfig
from glance3d.training.data.sample_batch import SyntheticSampler
from glance3d.training.losses.objective import compute_losses
from glance3d.training.losses.scene import LossWeights
from glance3d.training.recipes import build_recipe
from glance3d.training.trainer import Trainer

HEADS = ("depth_head.", "track_head.")
LEFT_OUT = (*HEADS, "point_head.")

Measure = Callable[[VGGT, list[MultiViewSample], TrainConfig], dict[str, float]]


@dataclass(frozen=True)
class Study:
    """Variants of one run; the first is how ``glance-small`` does it."""

    variants: dict[str, TrainConfig]
    measure: Measure
    goes_on: bool  # from given weights, without their heads


def main() -> None:
    """Train the missing runs, print one table for each study."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--start-from", type=Path, required=True, help="a file of glance-small")
    parser.add_argument("--textures", type=Path, help="pictures to paint the scenes with")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--scenes", type=int, default=2000, help="a run")
    parser.add_argument("--studies", nargs="+", default=["heads", "matching"])
    options = parser.parse_args()
    base = common(options.scenes, options.textures)
    studies = {"heads": heads_study(base), "matching": matching_study(base)}
    for name in options.studies:
        for seed in options.seeds:
            for variant in studies[name].variants:
                folder = options.out / name / variant.replace(" ", "-") / str(seed)
                if not (folder / "scores.json").is_file():
                    run(studies[name], variant, seed, options.start_from, folder)
    print(f"{datetime.date.today()}, {options.scenes} scenes a run, seeds {options.seeds}")
    print("\n".join(describe_machine("cpu")))
    for name in options.studies:
        print_table(name, studies[name], options.out / name)


def common(scenes: int, textures: Path | None) -> TrainConfig:
    """What all runs share: ``small-cpu`` on pictures of one to four times 128 x 128 pixels."""
    recipe = build_recipe("small-cpu")
    return replace(
        recipe,
        data=replace(recipe.data, images_per_batch=32, area_factors=(1, 2, 4)),
        total_samples=scenes,
        textures=None if textures is None else str(textures),
        relation_pretraining=None,
        optimiser=replace(
            recipe.optimiser, peak_lr=6e-4, warmup_samples=scenes // 10, average_decay=0.98
        ),
        num_data_workers=0,
        gradient_threads=1,
        track_every_steps=2,
        matching_every_steps=1,
        validate_every_samples=0,
        num_validation_batches=12,
    )


def matching_study(base: TrainConfig) -> Study:
    """How soon the track head's maps are distinctive."""
    whole = replace(base, losses=LossWeights.only(matching=1.0))
    small = without_stem_maps(base.model)
    stem = replace(whole, model=small)
    one_layer = replace(
        small,
        patch_embed=ConvEmbedConfig(),
        camera=replace(small.camera, start="empty"),
        correspondence=None,
    )
    return Study(
        {
            "stem, its maps read": whole,
            "stem": stem,
            "one convolution": replace(stem, model=one_layer),
        },
        measure_matching,
        goes_on=False,
    )


def heads_study(base: TrainConfig) -> Study:
    """How accurate depth and tracks become."""
    losses = LossWeights.only(depth=1.0, track=0.2, matching=0.25)
    full = replace(base, losses=losses, trainable=HEADS)
    return Study(
        {
            "full": full,
            "no stem maps": replace(full, model=without_stem_maps(base.model)),
            "plain depth loss, no matching loss": replace(
                full, log_depth=False, losses=replace(losses, matching=0.0)
            ),
        },
        measure_heads,
        goes_on=True,
    )


def without_stem_maps(model: VGGTConfig) -> VGGTConfig:
    """The same network, whose dense heads read tokens only."""
    heads = {name: getattr(model, name) for name in ("depth", "points", "tracks")}
    return replace(model, **{name: replace(head, reads_stem=False) for name, head in heads.items()})


def run(study: Study, variant: str, seed: int, start: Path, folder: Path) -> None:
    """Train one variant and write ``scores.json`` when it is measured."""
    config = replace(study.variants[variant], seed=seed)
    trainer = Trainer(config, folder)
    if (folder / "checkpoint.pt").is_file():
        trainer.resume()
    elif study.goes_on:
        tensors = load_file(start)
        kept = {name: tensors[name] for name in tensors if not name.startswith(LEFT_OUT)}
        save_file(kept, folder / "start.safetensors")
        trainer.start_from(folder / "start.safetensors")
    trainer.run()
    sample_batch = SyntheticSampler.of(config, "validation")()
    scenes = [sample_batch(index) for index in range(config.num_validation_batches)]
    with torch.no_grad():
        scores = study.measure(trainer.averaged_model(), scenes, config)
    print(variant, seed, scores, flush=True)
    minutes = trainer.progress.seconds / 60
    save_json(folder / "scores.json", scores | {"minutes of training": minutes})


def measure_matching(
    model: VGGT, scenes: list[MultiViewSample], config: TrainConfig
) -> dict[str, float]:
    """The matching loss, and how often the nearest descriptor is the right one."""
    losses = [
        compute_losses(model, scene, config, LossWeights.only(matching=1.0)) for scene in scenes
    ]
    names = {"matching": "matching loss", "matching_top1": "nearest is right"}
    return {named: mean(float(loss[name]) for loss in losses) for name, named in names.items()}


def measure_heads(
    model: VGGT, scenes: list[MultiViewSample], config: TrainConfig
) -> dict[str, float]:
    """Depth errors after one factor a scene, without plane sweep, and matching by track maps."""
    depth = []
    for sample in scenes:
        predicted = model(sample.images, outputs=("depth",)).depth
        for index in range(len(sample.images)):
            truth = torch.where(sample.valid[index], sample.depth[index], 0.0)
            depth.append(depth_errors(predicted[index], truth))
    return {
        "depth within 1.25": mean(errors.depth_delta_125_scale_aligned for errors in depth),
        "depth AbsRel": mean(errors.depth_absrel_scale_aligned for errors in depth),
        **measure_matching(model, scenes, config),
    }


def print_table(name: str, study: Study, folder: Path) -> None:
    """One row a variant, the seeds' numbers side by side."""
    rows = {
        variant: [
            cast(dict[str, float], json.loads(path.read_text()))
            for path in sorted((folder / variant.replace(" ", "-")).glob("*/scores.json"))
        ]
        for variant in study.variants
    }
    measured = next((list(scores[0]) for scores in rows.values() if scores), [])
    print(f"\n| {name} | {' | '.join(measured)} |\n| --- |{' --- |' * len(measured)}")
    for variant, scores in rows.items():
        cells = [" / ".join(f"{score[key]:.3f}" for score in scores) for key in measured]
        print(f"| {variant} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
