"""What refined tracks do to cameras: ``python -m benchmarks.refined_tracks SET...``.

Photo sets with true cameras are mapped by SIFT's matches, by those of ``glance-small``'s
descriptors alone, and by both. A row is one of these, before and after its tracks are refined:
photos held, pose AUC, the median error of a pair of held photos, and the mean reprojection error.
"""

import argparse
import datetime
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

import glance3d
from benchmarks.compare import describe_machine
from glance3d.evaluation.metrics import pose_auc, relative_pose_errors
from glance3d.evaluation.scenes import EvaluationScene, photo_set
from glance3d.images import Originals
from glance3d.models import VGGT
from glance3d.prediction import predict
from glance3d.refinement.mapping import registration
from glance3d.refinement.matching.learned.learned_matches import add_learned_matches
from glance3d.refinement.matching.matched_photos import MatchedPhotos, match_photos
from glance3d.refinement.options import RefineOptions
from glance3d.refinement.pycolmap_interface import pose_from_rigid, posed_images, quiet
from glance3d.types import Reconstruction

UNHELD = 180.0  # degrees, of a pair with a photo that is not held


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--max-views", type=int, default=32, help="photos of a set, evenly spaced")
    options = parser.parse_args()
    model = glance3d.load_model("glance-small", device="cpu")
    assert isinstance(model, VGGT)
    print(f"{datetime.date.today()}, {model.config.name}")
    print("\n".join(describe_machine("cpu")))
    print("\n| set | matches | tracks | held | AUC@5 | AUC@30 | median, degrees | error, px |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for folder in options.sets:
        (scene,) = photo_set(folder, model.preprocessing, max_views=options.max_views).scenes
        for matches, tracks, row in rows_of(model, scene):
            print(f"| {scene.name} | {matches} | {tracks} | {row} |", flush=True)


def rows_of(model: VGGT, scene: EvaluationScene) -> Iterator[tuple[str, str, str]]:
    """Which matches, which tracks, and the cells of their row."""
    estimated = predict(model, scene.batch).to_reconstruction(scene.batch, model=model.config.name)
    originals = Originals(estimated)
    with tempfile.TemporaryDirectory() as folder, quiet():
        sift = _matched(estimated, originals, Path(folder) / "sift", "sift")
        none = _matched(estimated, originals, Path(folder) / "none", "tracks")
        yield "SIFT", "as matched", _row(_models_of(sift, originals)[-1], sift, scene)
        for name, photos in {"learned": none, "both": sift}.items():
            with_learned = add_learned_matches(photos, model, originals)
            before, after = _models_of(with_learned, originals)
            yield name, "as matched", _row(before, with_learned, scene)
            yield name, "refined", _row(after, with_learned, scene)


def _matched(
    scene: Reconstruction, originals: Originals, folder: Path, correspondences: str
) -> MatchedPhotos:
    folder.mkdir()
    options = RefineOptions(correspondences=correspondences)
    return match_photos(scene, originals, folder, options)


def _models_of(photos: MatchedPhotos, originals: Originals) -> list[Any]:
    """COLMAP's model as it is adjusted first, and after that what registration gives."""
    models: list[Any] = []
    refine = registration.with_refined_tracks

    def watched(reconstruction: Any, *args: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
        models.append(reconstruction)
        return refine(reconstruction, *args, **options)

    with patch.object(registration, "with_refined_tracks", watched):
        registered = registration._register(photos, originals, False)
    return [*models[:1], registered.reconstruction]


def _row(model: Any, photos: MatchedPhotos, scene: EvaluationScene) -> str:
    images = posed_images(model, photos.image_ids)
    poses = torch.full((len(scene.cameras), 3, 4), torch.nan, dtype=torch.float64)
    for view, image in images.items():
        poses[view] = pose_from_rigid(image.cam_from_world())
    worse = relative_pose_errors(poses, scene.cameras.cam_from_world).worse
    held = worse[worse < UNHELD - 1e-3]
    median = float(held.median()) if len(held) else float("nan")
    error = 0.0 if model is None else model.compute_mean_reprojection_error()
    aucs = f"{pose_auc(worse, 5):.3f} | {pose_auc(worse, 30):.3f}"
    return f"{len(images)} of {len(poses)} | {aucs} | {median:.3f} | {error:.3f}"


if __name__ == "__main__":
    main()
