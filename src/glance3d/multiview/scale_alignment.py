"""One unit of length for cameras and depth: what matches triangulate to is what depth says.

Matches know how far cameras stand apart only up to a factor, which the depth maps of the same look
give: the median of depth over triangulated depth, where rays cross at an angle that says something.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.multiview.relative_pose import ViewPairMatches
from glance3d.multiview.triangulation import sample_at_places, triangulate

_LITTLE = 1e-3  # so much trust in all, and the factor is halfway to the usual one


@torch.no_grad()
def camera_scale_from_depth(
    pairs: ViewPairMatches,
    pose_enc: Float[Tensor, "batch views 9"],
    depth: Float[Tensor, "batch views height width"],
) -> Float[Tensor, " batch"]:
    """What to multiply translations by so that they have depth's unit; 1 where nothing is told."""
    size = (depth.shape[-2], depth.shape[-1])
    with torch.autocast(depth.device.type, enabled=False):
        triangulated, trust = triangulate(pairs, pose_enc.float(), size)
        seen = sample_at_places(pairs.of_first(depth.float()), pairs.own)
        ratio = (seen / triangulated).log().flatten(1)
        trust = (trust * pairs.weight * pairs.amount[..., None]).flatten(1)
        return (_median(ratio, trust) * trust.sum(-1) / (trust.sum(-1) + _LITTLE)).exp()


def _median(
    values: Float[Tensor, "batch count"], weights: Float[Tensor, "batch count"]
) -> Float[Tensor, " batch"]:
    """The value at half of all weight."""
    ordered, order = values.sort(-1)
    below = weights.gather(-1, order).cumsum(-1)
    middle = (2 * below < below[:, -1:]).sum(-1, keepdim=True)
    return ordered.gather(-1, middle.clamp(max=values.shape[-1] - 1))[:, 0]
