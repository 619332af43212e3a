"""The surface that a prediction says, compared with a scan or with the true depth's own.

Sources: Jensen et al., "Large scale multi-view stereopsis evaluation", CVPR 2014 (DTU: accuracy,
completeness); Azinović et al., "Neural RGB-D surface reconstruction", CVPR 2022 (normals).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.errors import InputError
from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.protocols.measures.measure import Measure, Value, Values
from glance3d.evaluation.protocols.truth import TrueScene
from glance3d.geometry.cameras import camera_centers, camera_rays
from glance3d.geometry.similarity import Similarity, estimate_similarity
from glance3d.geometry.transforms import invert, is_known, transform_points

_NAMES = ("accuracy", "completeness")
_FEWEST = 3
_AT_ONCE = 65536  # points


@dataclass(frozen=True)
class Points(Measure):
    """Accuracy: distances of predicted points to the nearest true one; completeness: the reverse.

    ``surface`` is the "scan" of a scene or its true "depth". Predicted depth is unprojected through
    predicted cameras at every ``pixel_step``-th pixel of every such row, and brought into the
    truth's world by a Sim(3) of camera centres ("cameras") or of the points at pixels whose true
    depth is known ("points", which then are the only ones that count). Both clouds are thinned to
    one point, the mean, for each cell of ``cell`` units (0: not at all). Distances of
    ``leave_out_above`` and more are left out of the means. "overall" is the mean of both. With
    ``normals``, their consistency: the mean of |cosine| between the normals of nearest points, both
    ways. Weights are points.
    """

    needs_depth: ClassVar[bool] = True

    surface: str = "depth"
    alignment: str = "points"
    pixel_step: int = 4
    cell: float = 0.0
    leave_out_above: float = math.inf
    normals: bool = False
    neighbours: int = 16

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        if self.surface not in ("scan", "depth") or self.alignment not in ("cameras", "points"):
            raise InputError(f"surface is scan or depth, alignment cameras or points, got {self}")
        if self.surface == "scan" and self.alignment == "points":
            raise InputError("a scan has no pixels to be aligned by: alignment must be cameras")
        if self.pixel_step < 1 or self.cell < 0 or self.neighbours < 3:
            raise InputError(f"pixel_step and neighbours are too few, or cell is below 0: {self}")

    def score(self, prediction: ScenePrediction, truth: TrueScene) -> Values:
        """The numbers of one scene, in the truth's unit of length."""
        clouds = self._clouds(prediction, truth)
        names = [f"point_{name}_{kind}" for name in _NAMES for kind in ("mean", "median")]
        names += ["point_overall", *(["normal_consistency"] if self.normals else [])]
        if clouds is None or min(map(len, clouds)) <= (self.neighbours if self.normals else 0):
            return dict.fromkeys(names, Value(math.nan, 0.0))
        from scipy.spatial import KDTree

        predicted, true = (_thinned(cloud, self.cell).numpy() for cloud in clouds)
        trees = KDTree(predicted), KDTree(true)
        to_true, at_true = trees[1].query(predicted)
        to_predicted, at_predicted = trees[0].query(true)
        numbers = [*self._spread(to_true), *self._spread(to_predicted)]
        numbers.append(Value((numbers[0].value + numbers[2].value) / 2, numbers[2].weight))
        if self.normals:
            own, other = (
                _normals(cloud, tree.query(cloud, k=self.neighbours)[1])
                for cloud, tree in zip((predicted, true), trees, strict=True)
            )
            forth = np.abs((own * other[at_true]).sum(-1)).mean()
            back = np.abs((other * own[at_predicted]).sum(-1)).mean()
            numbers.append(Value(float(forth + back) / 2, float(len(true))))
        return dict(zip(names, numbers, strict=True))

    def _spread(self, distances: np.ndarray) -> tuple[Value, Value]:
        """Mean and median of the distances that count."""
        kept = distances[distances < self.leave_out_above]
        if not len(kept):
            return (Value(math.nan, 0.0),) * 2
        weight = float(len(kept))
        return Value(float(kept.mean()), weight), Value(float(np.median(kept)), weight)

    def _clouds(
        self, prediction: ScenePrediction, truth: TrueScene
    ) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "m 3"]] | None:
        """Predicted and true points in the truth's world; None where either is not known."""
        if self.surface == "depth":
            return self._clouds_of_depth(prediction, truth)
        move = _between_cameras(prediction, truth)
        if truth.load_scan is None or move is None:
            return None
        scan = truth.load_scan()
        whole = []
        for view, depth in enumerate(prediction.depth):
            points, known = self._points(depth, prediction, view)
            whole.append(points[known])
        predicted = move.transform_points(torch.cat(whole)) if whole else scan.points[:0].double()
        true = scan.points.double()
        if scan.observed is not None:
            predicted = predicted[scan.observed(predicted)]
        return predicted, true if scan.counted is None else true[scan.counted(true)]

    def _clouds_of_depth(
        self, prediction: ScenePrediction, truth: TrueScene
    ) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "m 3"]] | None:
        pairs, all_true = [], []
        for view, depth in enumerate(prediction.depth):
            true_depth = None if truth.load_depth is None else truth.load_depth(view)
            if true_depth is None:
                continue
            cameras = truth.cameras
            true, known = _unprojected(
                true_depth, cameras.cam_from_world[view], cameras.intrinsics[view], self.pixel_step
            )
            own, predicted = self._points(depth, prediction, view)
            both = known & predicted
            all_true.append(true[known])
            pairs.append((own[both], true[both]))
        if not pairs:
            return None
        own, true = (torch.cat(side) for side in zip(*pairs, strict=True))
        move = _between_cameras(prediction, truth) if self.alignment == "cameras" else None
        if self.alignment == "points" and len(own) >= _FEWEST:
            move = estimate_similarity(own, true)
        return None if move is None else (move.transform_points(own), torch.cat(all_true))

    def _points(
        self, depth: Tensor, prediction: ScenePrediction, view: int
    ) -> tuple[Tensor, Tensor]:
        return _unprojected(
            depth, prediction.cam_from_world[view], prediction.intrinsics[view], self.pixel_step
        )


def _unprojected(
    depth: Float[Tensor, "height width"],
    cam_from_world: Float[Tensor, "3 4"],
    intrinsics: Float[Tensor, "3 3"],
    step: int,
) -> tuple[Float[Tensor, "n 3"], Tensor]:
    """World points of the pixels of a coarser grid, and where depth and camera are known."""
    rows = torch.arange(step // 2, depth.shape[0], step)
    columns = torch.arange(step // 2, depth.shape[1], step)
    y, x = torch.meshgrid(rows.double() + 0.5, columns.double() + 0.5, indexing="ij")
    chosen = depth[rows][:, columns].double().flatten()
    rays = camera_rays(torch.stack([x, y], -1).flatten(0, 1), intrinsics.double())
    points = transform_points(invert(cam_from_world.double()), rays * chosen[:, None])
    return points, (chosen > 0) & points.isfinite().all(-1)


def _between_cameras(prediction: ScenePrediction, truth: TrueScene) -> Similarity | None:
    """The Sim(3) of camera centres; None of fewer than three."""
    predicted, true = prediction.cam_from_world.double(), truth.cameras.cam_from_world.double()
    known = is_known(predicted) & is_known(true)
    if int(known.sum()) < _FEWEST:
        return None
    return estimate_similarity(camera_centers(predicted[known]), camera_centers(true[known]))


def _thinned(points: Float[Tensor, "n 3"], cell: float) -> Float[Tensor, "m 3"]:
    """One point, the mean, for each cell of a cubic grid."""
    if cell <= 0 or not len(points):
        return points
    cells = torch.floor(points / cell).long()
    _, place = torch.unique(cells, dim=0, return_inverse=True)
    count = int(place.max()) + 1
    sums = points.new_zeros(count, 3).index_add_(0, place, points)
    return sums / torch.bincount(place, minlength=count)[:, None]


def _normals(
    points: Float[np.ndarray, "points 3"], near: Int[np.ndarray, "points neighbours"]
) -> Float[np.ndarray, "points 3"]:
    """The direction in which a point's nearest (itself among them) spread least."""
    normals = []
    for start in range(0, len(points), _AT_ONCE):
        around = points[near[start : start + _AT_ONCE]]
        around = around - around.mean(1, keepdims=True)
        _, vectors = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))
        normals.append(vectors[..., 0])
    return np.concatenate(normals)
