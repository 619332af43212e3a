"""Does it help to choose the reference view: ``python -m benchmarks.reference_view SET... ``.

Every scene is reconstructed once for every view as the reference, and scored against the truth. For
each scene the first view, the view that ``reference="auto"`` chooses, the mean over all views and
the best and worst of them (which nobody can know beforehand) are printed: the distance from best
to worst is the possible gain, "auto" minus "first" the real one.
"""

import argparse
import datetime
import statistics
from dataclasses import replace
from pathlib import Path

import torch

import glance3d
from benchmarks.compare import describe_machine
from glance3d.datasets import SyntheticConfig
from glance3d.evaluation import EvaluationScene, photo_set, synthetic_set
from glance3d.evaluation.predictions import prediction_of_scene
from glance3d.evaluation.score import score_scene
from glance3d.models import VGGT
from glance3d.models.reference_view import choose_reference
from glance3d.pass_options import PassOptions
from glance3d.prediction import predict
from glance3d.refinement import refine

METRICS = ("depth_absrel_scale_aligned", "pose_auc_at_30deg", "rotation_error_deg_median")
LESS_IS_BETTER = ("depth_absrel_scale_aligned", "rotation_error_deg_median")


def main() -> None:
    """Measure, print, and say whether it helps."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", type=Path)
    parser.add_argument("--model", default="glance-small")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--synthetic-scenes", type=int, default=48)
    parser.add_argument("--max-views", type=int, default=8)
    parser.add_argument("--refine", action="store_true", help="the photos' refined cameras, too")
    options = parser.parse_args()
    model = glance3d.load_model(options.model, weights=options.weights, device="cpu")
    print(f"{datetime.date.today()}, {model.config.name}")
    print("\n".join(describe_machine("cpu")))
    real = [photo_set(folder, model.preprocessing, options.max_views) for folder in options.sets]
    data = SyntheticConfig(size_multiple=model.config.patch_size)
    synthetic = [synthetic_set(data, options.synthetic_scenes)] if options.synthetic_scenes else []
    for kind, sets in (("photos", real), ("synthetic", synthetic)):
        scenes = [scene for one in sets for scene in one.scenes]
        rows = [measure(model, scene) for scene in scenes]
        if rows:
            report(kind, [scene.name for scene in scenes], rows)
    if options.refine:
        report_refined(model, [scene for one in real for scene in one.scenes])


def report_refined(model: VGGT, scenes: list[EvaluationScene]) -> None:
    """The difference that remains after the cameras are refined."""
    print("\nphotos, refined: pose_auc_at_5deg\n\n| scene | first | auto | the view |")
    print("| --- | --- | --- | --- |")
    for scene in scenes:
        chosen = choose_reference(model, scene.batch, "auto").view
        values = []
        for view in (0, chosen):
            predictions = predict(model, scene.batch, PassOptions(reference=view))
            guess = predictions.to_reconstruction(scene.batch)
            refined = refine(replace(guess, reference_view=view), densify=False)
            values.append(score_scene(prediction_of_scene(refined), scene).pose_auc_at_5deg)
        shown = " | ".join(f"{value:.4f}" for value in values)
        print(f"| {scene.name} | {shown} | {scene.batch.names[chosen]} |", flush=True)


def measure(model: VGGT, scene: EvaluationScene) -> dict[str, dict[str, float]]:
    """Scores of one scene: for each metric of the first, the chosen, any, best and worst view."""
    chosen = choose_reference(model, scene.batch, "auto").view
    scores = []
    for view in range(len(scene.batch.names)):
        predictions = predict(model, scene.batch, PassOptions(reference=view))
        scores.append(
            score_scene(prediction_of_scene(predictions.to_reconstruction(scene.batch)), scene)
        )
    summary = {}
    for metric in METRICS:
        values = [getattr(score, metric) for score in scores]
        ordered = sorted(values, reverse=metric not in LESS_IS_BETTER)
        summary[metric] = {
            "first": values[0],
            "auto": values[chosen],
            "mean": statistics.mean(values),
            "best": ordered[0],
            "worst": ordered[-1],
        }
    return summary


def report(kind: str, names: list[str], rows: list[dict[str, dict[str, float]]]) -> None:
    """One table a metric; single scenes for photos, means for all."""
    for metric in METRICS:
        print(f"\n{kind}: {metric}\n")
        print("| scene | first | auto | mean of all | best | worst |")
        print("| --- | --- | --- | --- | --- | --- |")
        known = [
            (name, row[metric])
            for name, row in zip(names, rows, strict=True)
            if not torch.tensor(list(row[metric].values())).isnan().any()
        ]
        if not known:
            continue
        for name, row in known if kind == "photos" else []:
            print(f"| {name} | " + " | ".join(f"{value:.4f}" for value in row.values()) + " |")
        columns = list(zip(*(row.values() for _, row in known), strict=True))
        means = " | ".join(f"{statistics.mean(column):.4f}" for column in columns)
        print(f"| mean of {len(known)} | {means} |")
        gains = [row["auto"] - row["first"] for _, row in known]
        if len(gains) > 1:
            error = statistics.stdev(gains) / len(gains) ** 0.5
            print(f"\nauto minus first: {statistics.mean(gains):+.4f} +- {error:.4f}")


if __name__ == "__main__":
    main()
