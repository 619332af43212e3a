"""Cameras in depth's unit of length, and depth that the cameras confirm.

Matches tell how far cameras stand apart only up to a factor, and a network's depth maps are a guess
from one photo each. What both say of the same pass is made to agree here: first the translations
get depth's unit of length, then depth moves along the rays to where other views show the same.
"""

from dataclasses import dataclass, field, fields
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.multiview.matches import Descriptors, PairEstimates, ViewPairMatches
from glance3d.multiview.options import MultiviewOptions
from glance3d.multiview.plane_sweep import sweep_depth_by_descriptors
from glance3d.multiview.triangulation import camera_scale_from_depth
from glance3d.types import Predictions


@runtime_checkable
class PoseInitialiser(Protocol):
    """Poses of all views of a scene from matches of pairs of views."""

    def __call__(
        self,
        pairs: ViewPairMatches,
        estimates: PairEstimates,
        image_size: tuple[int, int],
        options: MultiviewOptions,
        focal_lengths: Float[Tensor, "batch views"] | None = None,
        /,
    ) -> Float[Tensor, "batch views 9"]:
        """Pose encodings against the first view; ``image_size`` is (height, width).

        ``pairs`` are the best of the matches that ``estimates`` are about. ``focal_lengths`` are in
        pixels, NaN where unknown.
        """
        ...


class InitialPoses(NamedTuple):
    """Poses that a camera head starts from, and what they were estimated from."""

    pose_enc: Float[Tensor, "batch views 9"]
    pairs: ViewPairMatches
    described: Descriptors
    options: MultiviewOptions


@dataclass(frozen=True)
class MatchedPredictions(Predictions):
    """Predictions with the matches that :func:`reconcile` needs.

    A network that starts cameras from matches returns them where it predicts cameras and depth.
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
