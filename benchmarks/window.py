"""Accuracy of windows against one pass: ``python -m benchmarks.window SETS... --windows 8 12``.

Photo sets with true cameras (as ``glance3d evaluate`` takes them) are predicted in one pass and in
windows of several sizes: pose AUC against the truth, and the agreement that the windows report.
Sets that fit into one window are skipped.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from glance3d.evaluation import EvaluationScene, photo_set
from glance3d.evaluation.metrics import pose_auc, relative_pose_errors
from glance3d.models import VGGT, load_model
from glance3d.pass_options import PassOptions
from glance3d.prediction import predict, predict_and_align
from glance3d.types import Predictions
from glance3d.windows import WindowAlignment, WindowOptions


def main() -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--windows", type=int, nargs="+", default=[6, 8, 12])
    parser.add_argument("--overlap", type=int)
    parser.add_argument("--model", default="glance-small")
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    network = load_model(options.model, weights=options.weights)
    print("| set | views | seen in | AUC@30 | AUC@5 | alignments: degrees | depth | distances |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for folder in options.sets:
        scene = photo_set(folder, network.preprocessing).scenes[0]
        sizes = [size for size in options.windows if size < len(scene.batch.names)]
        for line in rows(network, scene, [WindowOptions(size, options.overlap) for size in sizes]):
            print(f"| {folder.name} | {len(scene.batch.names)} | {line} |", flush=True)


def rows(network: VGGT, scene: EvaluationScene, windows: Sequence[WindowOptions]) -> list[str]:
    """One row for the plain pass, and one for each kind of window; none without windows."""
    if not windows:
        return []
    plain = predict(network, scene.batch)
    lines = [f"one pass | {scores(plain, scene)} | | | "]
    for options in windows:
        pass_options = PassOptions(window=options.views, overlap=options.overlap)
        result = predict_and_align(network, scene.batch, pass_options)
        predictions, graph = result.predictions, result.graph
        assert graph is not None
        about = f"{len(graph.windows)} windows of {options.views}, {options.shared} shared"
        lines.append(f"{about} | {scores(predictions, scene)} | {agreement(graph.alignments)}")
    return lines


def scores(predictions: Predictions, scene: EvaluationScene) -> str:
    """Pose AUC at 30 and at 5 degrees."""
    errors = relative_pose_errors(predictions.cameras()[0][0].cpu(), scene.cameras.cam_from_world)
    return f"{pose_auc(errors.worse, 30):.3f} | {pose_auc(errors.worse, 5):.3f}"


def agreement(alignments: Sequence[WindowAlignment]) -> str:
    """The worst of all alignments: rotation, depth, and distances between cameras."""
    rotation = max(join.rotation_deg for join in alignments)
    depth = max(join.depth_spread for join in alignments)
    distances = max(join.scale_spread or 0.0 for join in alignments)
    return f"{rotation:.1f} | {depth:.1%} | {distances:.0%}"


if __name__ == "__main__":
    main()
