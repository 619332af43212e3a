"""Cameras in depth's unit of length, and depth that the cameras confirm.

Matches tell how far cameras stand apart only up to a factor, and a network's depth maps are a guess
from one photo each. What both say of the same pass is made to agree here: first the translations
get depth's unit of length, then depth moves along the rays to where other views show the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

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

    def without_matches(self) -> Predictions:
        """All the rest."""
        names = [of_field.name for of_field in fields(Predictions)]
        return Predictions(**{name: getattr(self, name) for name in names})

    def of_views(self, views: Sequence[int]) -> Predictions:
        """As :meth:`Predictions.of_views`, without the matches, which are of all views."""
        return self.without_matches().of_views(views)


@torch.no_grad()
def reconcile(predictions: Predictions) -> Predictions:
    """Predictions whose cameras and depth agree, without the matches and without gradients.

    Predictions that hold no matches are returned as they are: nothing says more than the network.
    """
    if not isinstance(predictions, MatchedPredictions):
        return predictions
    matched = predictions.matched
    pairs, described, options = matched.pairs, matched.described, matched.options
    plain = predictions.without_matches()
    if plain.depth is None:
        return plain
    assert plain.pose_enc is not None
    assert plain.pose_enc_iterations is not None
    scale = camera_scale_from_depth(pairs, plain.pose_enc, plain.depth, options.triangulation)
    translations, rest = plain.pose_enc_iterations.split((3, 6), dim=-1)
    iterations = torch.cat([scale[:, None, None] * translations, rest], -1)
    pose_enc = iterations[-1]
    depth = sweep_depth_by_descriptors(described, pairs, pose_enc, plain.depth, options)
    return replace(plain, pose_enc_iterations=iterations, pose_enc=pose_enc, depth=depth)
