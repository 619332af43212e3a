"""The metrics, as pure functions of one scene's tensors.

**Pose AUC at T degrees.** For every pair of views i < j the relative pose ``cam_j_from_cam_i`` is
compared with the truth: the angle between the rotations, and the angle between the directions of
the translations (0 to 180 degrees; an opposite direction is 180, not 0). The pair's error is the
larger of the two. The AUC is the mean over k = 1 .. T of the share of pairs with an error below k
degrees: the area under the recall curve in bins of one degree (VGGT, section 4.1). No alignment is
needed, since relative poses are independent of the world frame, and directions of the scale. A view
without a pose counts: all its pairs have errors of 180 degrees.

**Depth.** One factor for the whole scene, the median of truth / prediction over all valid pixels
of all views, is applied first: the network's scale is arbitrary, but it is one scale. ``AbsRel`` is
the mean of |prediction - truth| / truth, ``delta < 1.25`` the share of pixels with
max(prediction / truth, truth / prediction) below 1.25.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.rotations import rotation_angle
from glance3d.geometry.transforms import compose, invert, is_known


@dataclass(frozen=True)
class PairErrors:
    """Errors of the relative poses of all pairs of views i < j, in degrees."""

    rotation: Float[Tensor, "pairs"]
    translation: Float[Tensor, "pairs"]

    @property
    def worse(self) -> Float[Tensor, "pairs"]:
        """The larger of the two: what the AUC counts."""
        return torch.maximum(self.rotation, self.translation)


def relative_pose_errors(
    predicted: Float[Tensor, "views 3 4"], truth: Float[Tensor, "views 3 4"]
) -> PairErrors:
    """Errors of all pairs of one scene's ``cam_from_world``; the two worlds may differ.

    A true translation shorter than a millionth of the scene's longest has no direction, and
    counts as 0 degrees; so does a predicted one as 180. A predicted camera that holds NaN is
    unknown, and its pairs have errors of 180 degrees.
    """
    if len(predicted) != len(truth):
        raise InputError(
            f"got {len(predicted)} predicted cameras with {len(truth)} true ones: give one for each"
        )
    first, second = torch.triu_indices(len(truth), len(truth), offset=1)
    has_pose = is_known(predicted)
    known = has_pose[first] & has_pose[second]
    predicted_pairs = _relative(predicted.double(), first[known], second[known])
    true_pairs = _relative(truth.double(), first[known], second[known])
    rotation, translation = torch.full((2, len(known)), torch.pi, dtype=torch.float64)
    rotation[known] = rotation_angle(predicted_pairs[..., :3], true_pairs[..., :3])
    translation[known] = _direction_angle(predicted_pairs[..., 3], true_pairs[..., 3])
    return PairErrors(torch.rad2deg(rotation).float(), torch.rad2deg(translation).float())


def _relative(
    cam_from_world: Float[Tensor, "views 3 4"], first: Tensor, second: Tensor
) -> Float[Tensor, "pairs 3 4"]:
    return compose(cam_from_world[second], invert(cam_from_world[first]))


def _direction_angle(
    predicted: Float[Tensor, "pairs 3"], truth: Float[Tensor, "pairs 3"]
) -> Float[Tensor, "pairs"]:
    """Angles in radians, exact near 0 and pi."""
    cross = torch.linalg.cross(predicted, truth).norm(dim=-1)
    angle = torch.atan2(cross, (predicted * truth).sum(-1))
    angle = torch.where(_vanishes(predicted), math.pi, angle)
    return torch.where(_vanishes(truth), 0.0, angle)


def _vanishes(translations: Float[Tensor, "pairs 3"]) -> Bool[Tensor, "pairs"]:
    length = translations.norm(dim=-1)
    longest = length.max() if len(length) else length.new_zeros(())
    return length <= 1e-6 * longest


def pose_auc(errors_deg: Float[Tensor, "pairs"], threshold_deg: int) -> float:
    """Area under the recall curve up to a whole number of degrees; NaN if there are no pairs."""
    if threshold_deg < 1:
        raise InputError(f"an AUC needs a threshold of at least 1 degree, got {threshold_deg}")
    if len(errors_deg) == 0:
        return math.nan
    bins = torch.arange(1, threshold_deg + 1, device=errors_deg.device)
    return float((errors_deg[:, None] < bins).double().mean())


def depth_scale(predicted: Float[Tensor, "pixels"], truth: Float[Tensor, "pixels"]) -> float:
    """The factor on predicted depth: the median of truth / prediction (the lower of two)."""
    return float((truth.double() / predicted.double()).median())


@dataclass(frozen=True)
class DepthErrors:
    """Errors of one scene's depth after one factor for all its views."""

    depth_absrel_scale_aligned: float
    depth_delta_125_scale_aligned: float
    num_pixels: int


def depth_errors(
    predicted: Float[Tensor, "*pixels"], truth: Float[Tensor, "*pixels"]
) -> DepthErrors:
    """Compare depth where both are positive and finite (0 is unknown); NaN where nothing is."""
    valid = (truth > 0) & (predicted > 0) & truth.isfinite() & predicted.isfinite()
    if not valid.any():
        return DepthErrors(math.nan, math.nan, 0)
    predicted, truth = predicted[valid].double(), truth[valid].double()
    predicted = predicted * depth_scale(predicted, truth)
    ratio = predicted / truth
    return DepthErrors(
        depth_absrel_scale_aligned=float((ratio - 1).abs().mean()),
        depth_delta_125_scale_aligned=float(
            (torch.maximum(ratio, 1 / ratio) < 1.25).double().mean()
        ),
        num_pixels=int(valid.sum()),
    )


def fov_error_deg(
    predicted: Float[Tensor, "views 3 3"],
    truth: Float[Tensor, "views 3 3"],
    sizes: Float[Tensor, "views 2"],
) -> float:
    """Mean absolute error of the horizontal and vertical fields of view, in degrees.

    ``sizes`` are (width, height) of the images in whose pixels both intrinsics are; a field of view
    is that of a centred camera of the same focal length. Views whose predicted intrinsics are
    NaN are left out; NaN if all are.
    """

    def fov(intrinsics: Tensor) -> Tensor:
        focal = torch.stack([intrinsics[:, 0, 0], intrinsics[:, 1, 1]], -1)
        return 2 * torch.atan(sizes / 2 / focal)

    return float(torch.rad2deg((fov(predicted) - fov(truth)).abs().nanmean()))


@dataclass(frozen=True)
class TrackErrors:
    """Distances of tracked points to their true positions in the views that see them.

    The median in pixels, and the share within 3 pixels.
    """

    track_error_px_median: float
    track_within_3px: float


def track_errors(
    predicted: Float[Tensor, "views queries 2"],
    truth: Float[Tensor, "views queries 2"],
    visibility: Bool[Tensor, "views queries"],
) -> TrackErrors:
    """Of the truly visible points of the views after the first; NaN if there are none.

    A predicted position of NaN counts as infinitely far.
    """
    distance = (predicted - truth).norm(dim=-1)[1:][visibility[1:]].nan_to_num(nan=math.inf)
    if not len(distance):
        return TrackErrors(math.nan, math.nan)
    within = float((distance <= 3).double().mean())
    return TrackErrors(float(distance.median()), within)
