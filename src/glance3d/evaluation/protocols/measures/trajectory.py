"""Positions of cameras after the whole trajectory was aligned: ATE and RPE.

Source: Sturm et al., "A benchmark for the evaluation of RGB-D SLAM systems", IROS 2012; alignment
by Umeyama, PAMI 1991.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.protocols.measures.measure import Measure, Value, Values
from glance3d.evaluation.protocols.truth import TrueScene
from glance3d.geometry.cameras import camera_centers
from glance3d.geometry.rotations import rotation_angle
from glance3d.geometry.similarity import Similarity, estimate_similarity, rigid_part
from glance3d.geometry.transforms import compose, invert, is_known

_FEWEST = 3


@dataclass(frozen=True)
class Trajectory(Measure):
    """ATE as Sim(3), as SE(3) and the scale between, always all three; RPE from frame to frame.

    Frames without a predicted pose are left out, and ``posed_share`` says how many have one; fewer
    than three leave all else unknown. The root mean square is over frames, in the truth's unit of
    length. RPE compares the motion between neighbouring frames, after the Sim(3).
    """

    needs_depth: ClassVar[bool] = False

    def score(self, prediction: ScenePrediction, truth: TrueScene) -> Values:
        """The numbers of one scene; weights are frames with truth, those of RPE pairs of them."""
        true = truth.cameras.cam_from_world.double()
        known = is_known(true)
        predicted = prediction.cam_from_world.double()
        posed = known & is_known(predicted)
        total = float(known.sum())
        share = float(posed.sum()) / total if total else math.nan
        values = {"posed_share": Value(share, total)}
        if int(posed.sum()) < _FEWEST:
            names = ("ate_rmse_sim3_aligned", "ate_rmse_se3_aligned", "ate_sim3_scale")
            names += ("rpe_translation_rmse_sim3_aligned", "rpe_rotation_deg_rmse")
            return {**values, **dict.fromkeys(names, Value(math.nan, 0.0))}
        centers, true_centers = camera_centers(predicted[posed]), camera_centers(true[posed])
        sim3 = estimate_similarity(centers, true_centers)
        se3 = rigid_part(sim3, centers, true_centers)
        count = float(posed.sum())
        values["ate_rmse_sim3_aligned"] = Value(_rmse(sim3, centers, true_centers), count)
        values["ate_rmse_se3_aligned"] = Value(_rmse(se3, centers, true_centers), count)
        values["ate_sim3_scale"] = Value(sim3.scale, count)
        moved = sim3.transform_cameras(predicted)
        translation, rotation = _relative_errors(moved, true, posed)
        steps = float(len(translation))
        values["rpe_translation_rmse_sim3_aligned"] = Value(_rms(translation), steps)
        values["rpe_rotation_deg_rmse"] = Value(_rms(torch.rad2deg(rotation)), steps)
        return values


def _rmse(move: Similarity, source: Tensor, target: Tensor) -> float:
    return _rms((move.transform_points(source) - target).norm(dim=-1))


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt()) if len(values) else math.nan


def _relative_errors(predicted: Tensor, true: Tensor, posed: Tensor) -> tuple[Tensor, Tensor]:
    """Of each two neighbouring frames that both have a pose: length and angle of what differs."""
    first = torch.nonzero(posed[:-1] & posed[1:]).flatten()
    step = compose(predicted[first + 1], invert(predicted[first]))
    true_step = compose(true[first + 1], invert(true[first]))
    difference = compose(true_step, invert(step))
    identity = torch.eye(3, dtype=torch.float64).expand(len(first), 3, 3)
    return difference[..., 3].norm(dim=-1), rotation_angle(identity, difference[..., :3])
