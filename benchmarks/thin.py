"""Accuracy and time of thin attention against full: ``python -m benchmarks.thin SETS...``.

Photo sets with true cameras (as ``glance3d evaluate`` takes them) are predicted with full and with
thin attention, one after the other; medians of time, pose AUC and depth are compared. Sets with too
few views to be thinned are left out.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch

from glance3d.evaluation import photo_set
from glance3d.evaluation.metrics import pose_auc, relative_pose_errors
from glance3d.models import VGGT, load_model
from glance3d.pass_options import PassOptions
from glance3d.prediction import predict
from glance3d.types import ImageBatch, Predictions

FEWEST_VIEWS = 9


def main() -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--model", default="glance-small")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    network = load_model(options.model, weights=options.weights)
    print("| set | views | | AUC@30 | depth correlation with full | s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for folder in options.sets:
        scene = photo_set(folder, network.preprocessing).scenes[0]
        views = len(scene.batch.names)
        if views < FEWEST_VIEWS:
            continue
        full = None
        for attention in ("full", "thin"):
            predictions, seconds = timed(network, scene.batch, attention, options.repeats)
            full = full or predictions
            cameras, _ = predictions.cameras()
            errors = relative_pose_errors(cameras[0], scene.cameras.cam_from_world)
            assert predictions.depth is not None
            assert full.depth is not None
            pair = torch.stack([predictions.depth.flatten(), full.depth.flatten()]).double()
            print(
                f"| {folder.name} | {views} | {attention} | {pose_auc(errors.worse, 30):.3f} | "
                f"{torch.corrcoef(pair)[0, 1]:.4f} | {seconds:.2f} |"
            )


def timed(
    network: VGGT, batch: ImageBatch, attention: str, repeats: int
) -> tuple[Predictions, float]:
    """Predictions, and the median of the seconds they took."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        predictions = predict(network, batch, PassOptions(attention=attention))
        seconds.append(time.perf_counter() - start)
    return predictions, statistics.median(seconds)


if __name__ == "__main__":
    main()
