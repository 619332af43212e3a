"""Cameras in depth's unit of length, and depth that the cameras confirm.

Matches tell how far cameras stand apart only up to a factor, and a network's depth maps are a guess
from one photo each. What both say of the same pass is made to agree here: first the translations
get depth's unit of length, then depth moves along the rays to where other views show the same.
"""

from dataclasses import dataclass, field, fields

import torch

from glance3d.multiview.matches import InitialPoses
from glance3d.multiview.plane_sweep import sweep_depth_by_descriptors
from glance3d.multiview.triangulation import camera_scale_from_depth
from glance3d.types import Predictions


@dataclass(frozen=True)
class MatchedPredictions(Predictions):
    """Predictions with the matches that :func:`reconcile` needs.

    A network that starts cameras from matches returns them where it predicts cameras.
    """

    matched: InitialPoses = field(kw_only=True)


@torch.no_grad()
def reconcile(predictions: Predictions) -> Predictions:
    """Predictions whose cameras and depth agree, without the matches and without gradients.

    Predictions that hold no matches are returned as they are: nothing says more than the network.
    """
    if not isinstance(predictions, MatchedPredictions):
        return predictions
    _, pairs, described, options = predictions.matched
    names = [of_field.name for of_field in fields(Predictions)]
    values = {name: getattr(predictions, name) for name in names}
    if values["depth"] is None:
        return Predictions(**values)
    scale = camera_scale_from_depth(
        pairs, values["pose_enc"], values["depth"], options.triangulation
    )
    iterations = values["pose_enc_iterations"]
    iterations = torch.cat([scale[:, None, None] * iterations[..., :3], iterations[..., 3:]], -1)
    values["pose_enc_iterations"], values["pose_enc"] = iterations, iterations[-1]
    values["depth"] = sweep_depth_by_descriptors(
        described, pairs, values["pose_enc"], values["depth"], options
    )
    return Predictions(**values)
