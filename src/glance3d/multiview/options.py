"""The tuned constants of multi-view geometry, as options that are part of a network's config.

Angles are in radians unless a name ends in ``_deg``; lengths that end in ``_hd`` are in half
diagonals of the image. The defaults are what measurements chose for ``glance-small``.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from glance3d.errors import ConfigError

_MOST = 4096  # of anything that is counted: options may come from a file that somebody else wrote
_LARGEST = 1e6
_LONGEST = 64  # numbers in a list


class _Checked:
    """Refuses, when it is made, fields that are out of bounds."""

    def __post_init__(self) -> None:
        """Refuse what is no such number; see :func:`_check_number`."""
        for option in fields(self):  # type: ignore[arg-type]
            value = getattr(self, option.name)
            where = f"{option.name} of {type(self).__name__}"
            is_list = isinstance(value, tuple)
            if is_list and not 1 <= len(value) <= _LONGEST:
                raise ConfigError(f"{where} must have 1 to {_LONGEST} numbers, got {len(value)}")
            wanted = int if option.type in (int, tuple[int, ...]) else float
            signed = bool(option.metadata.get("signed"))
            for number in value if is_list else (value,):
                _check_number(number, wanted, signed, where)


def _check_number(value: Any, wanted: type, signed: bool, where: str) -> None:
    kinds = (int,) if wanted is int else (int, float)
    least, most = (1, _MOST) if wanted is int else (-_LARGEST if signed else 0, _LARGEST)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    positive = signed or (is_number and value > 0)
    if not is_number or not positive or not math.isfinite(value) or not least <= value <= most:
        kind = "a whole number" if wanted is int else "a number"
        bounds = f"from {least} to {most}" if wanted is int or signed else f"above 0, to {most:g}"
        raise ConfigError(f"{where} must be {kind} {bounds}, got {value!r}")


def _signed(default: Any) -> Any:
    return field(default=default, metadata={"signed": True})


@dataclass(frozen=True)
class PairSelectionOptions(_Checked):
    """Which matches solvers see: so many pairs for each view, so many matches of a pair.

    Views are matched with all others, or, if there are many, ``candidates_per_view`` pairs for each
    view are, those that look most alike.
    """

    candidates_per_view: int = 16
    pairs_per_view: int = 12
    matches_per_pair: int = 256


@dataclass(frozen=True)
class UpsideDownOptions(_Checked):
    """When views are turned by half a turn.

    Views that are less alike than ``least_likeness`` to all others of the scene are looked at. Two
    are so when one of them is turned if that is at least as much, and ``factor`` times as much as
    when none is.
    """

    least_likeness: float = 0.08
    factor: float = 1.5


@dataclass(frozen=True)
class SubpixelOptions(_Checked):
    """Lucas and Kanade's steps.

    ``max_step`` is in pixels, ``max_shift_cells`` in cells: what moves farther has met something
    else. Patches are trusted not at all up to a correlation of ``min_correlation``, and fully from
    ``full_correlation`` on.
    """

    iterations: int = 6
    max_step: float = 1.5
    min_correlation: float = 0.5
    full_correlation: float = 0.9
    max_shift_cells: float = 0.5

    def __post_init__(self) -> None:
        """Refuse correlations that are not in order."""
        super().__post_init__()
        if self.min_correlation >= self.full_correlation:
            raise ConfigError(
                f"min_correlation must be below full_correlation, {self.full_correlation}, got "
                f"{self.min_correlation}"
            )


@dataclass(frozen=True)
class EightPointOptions(_Checked):
    """The eight-point algorithm: widths of the Cauchy weights round by round, and its samples.

    ``num_judges`` matches say which of ``num_samples`` solutions is the best start. A trained
    network is used to what these options give.
    """

    cauchy_widths_hd: tuple[float, ...] = (0.04, 0.02, 0.01)
    num_samples: int = 24
    sample_size: int = 9
    num_judges: int = 96


@dataclass(frozen=True)
class RelativePoseOptions(_Checked):
    """The search for each pair's pose.

    Starts are three rotations with ``num_directions`` directions over the sphere, each
    ``samples_per_start`` times, and orbits: rotations by ``orbits_deg`` about what is looked at, in
    ``num_orbit_axes`` directions. Each is improved on ``sample_size`` matches, in steps with Cauchy
    weights of ``first_widths_hd``; the ``num_kept`` that most of ``num_judges`` matches fit (to
    ``first_inlier_width_hd``) go on with ``last_widths_hd``, and the one wins that most matches fit
    (to ``inlier_width_hd``). ``parallax_width_hd`` is by how much a match must move for its
    parallax to count half, ``max_step`` bounds a step.
    """

    num_directions: int = 12
    samples_per_start: int = 2
    sample_size: int = 10
    orbits_deg: tuple[float, ...] = _signed((-50.0, -25.0, -10.0, 10.0, 25.0, 50.0))
    num_orbit_axes: int = 4
    num_judges: int = 96
    num_kept: int = 10
    first_widths_hd: tuple[float, ...] = (0.1,) * 8
    last_widths_hd: tuple[float, ...] = (0.015, 0.01, 0.01, 0.007, 0.007, 0.005, 0.005, 0.004)
    first_inlier_width_hd: float = 0.02
    inlier_width_hd: float = 0.008
    parallax_width_hd: float = 0.005
    max_step: float = 0.3


@dataclass(frozen=True)
class AveragingOptions(_Checked):
    """Rotation and translation averaging.

    A pair is trusted by its matches to the power ``trust_power``, and less where cycles of three
    views contradict it, whose rotations are off by about ``cycle_angle``; its ``own_vote`` is a
    share of its trust. ``squarings`` of the matrix of relative rotations reach along paths of ``2
    ** squarings`` pairs. Round by round, a pair that is off by one of ``contradiction_angles`` is
    trusted by a quarter. ``translation_rounds`` find lengths and positions in turn; then positions
    are moved to fit directions with Cauchy weights of ``direction_widths``, lengths counting by
    ``keep_lengths``. ``min_trust`` keeps views that nothing is known of in place, near the others.
    """

    trust_power: float = 1.25
    cycle_angle: float = 0.15
    own_vote: float = 0.5

    squarings: int = 6
    contradiction_angles: tuple[float, ...] = (0.7, 0.45, 0.25, 0.17, 0.17)
    translation_rounds: int = 12
    direction_widths: tuple[float, ...] = (
        *(0.5, 0.5, 0.4, 0.4, 0.3, 0.3),
        *(0.2, 0.2, 0.15, 0.15, 0.1, 0.1),
    )
    keep_lengths: float = 0.03
    min_trust: float = 1e-6


@dataclass(frozen=True)
class PoseAdjustmentOptions(_Checked):
    """The joint adjustment of all poses.

    One step for each of ``cauchy_widths_hd``; then, of the poses that were chosen, one for each of
    ``last_widths_hd``, whose focal length hardly leaves what it is, by ``last_focal_deviation``. A
    match behind a camera is at least ``behind_hd`` off. ``focal_weight`` is that of a focal
    length's squared deviations, against all matches together. ``max_step`` is in radians, mean
    distances of cameras, and logarithms of focal lengths.
    """

    cauchy_widths_hd: tuple[float, ...] = (
        *(0.03, 0.03, 0.02, 0.02, 0.02, 0.015, 0.015, 0.015),
        *(0.01, 0.01, 0.01, 0.01, 0.007, 0.007, 0.007, 0.007),
        *(0.005, 0.005, 0.005, 0.005),
    )
    last_widths_hd: tuple[float, ...] = (0.01, 0.007, 0.007, 0.005, 0.005, 0.004, 0.004, 0.003)
    last_focal_deviation: float = 0.02
    behind_hd: float = 0.03
    focal_weight: float = 0.02
    max_step: float = 0.3


@dataclass(frozen=True)
class FocalSearchOptions(_Checked):
    """The search for one focal length of a scene.

    ``focal_lengths_hd`` (in a geometric row) are compared by how well the best ``pairs_per_view``
    pairs fit. The best of them and the expected one are tried times each of ``factors``; tries are
    compared by how much fits to ``inlier_width_hd``, less ``prior_cost`` for being off the expected
    one, whose logarithm has a deviation of ``learned_deviation`` or, of a known one,
    ``known_deviation``. Of three and more views the best ``scene_pairs_per_view`` pairs are also
    solved with each of ``scene_focal_lengths_hd``. ``usual_distance`` is that of cameras from the
    reference, in units of the scene.
    """

    focal_lengths_hd: tuple[float, ...] = tuple(0.65 * 1.22**step for step in range(13))
    pairs_per_view: int = 3
    scene_focal_lengths_hd: tuple[float, ...] = (0.9, 1.35, 2.0, 3.0, 4.5)
    scene_pairs_per_view: int = 5
    factors: tuple[float, ...] = (1.0, 0.8, 1.25)
    learned_deviation: float = 0.6
    known_deviation: float = 0.1
    inlier_width_hd: float = 0.008
    prior_cost: float = 0.0072
    usual_distance: float = 0.3

    def __post_init__(self) -> None:
        """Refuse fewer focal lengths than a parabola needs."""
        super().__post_init__()
        if len(self.focal_lengths_hd) < 3:
            raise ConfigError("focal_lengths_hd of FocalSearchOptions needs at least three numbers")


@dataclass(frozen=True)
class CameraZoomOptions(_Checked):
    """How focal lengths of several cameras are compared.

    Cameras take turns to be tried with ``factors`` of their focal length, a geometric row around 1,
    in ``rounds`` of which each has half the steps of the one before, on the ``pairs_per_view``
    pairs of each view with other cameras' that share most. The logarithm of a camera's focal length
    over the expected one has a ``deviation``.
    """

    factors: tuple[float, ...] = tuple(1.4**step for step in range(-2, 3))
    rounds: int = 4
    pairs_per_view: int = 4
    deviation: float = 0.5

    def __post_init__(self) -> None:
        """Refuse fewer factors than a parabola needs."""
        super().__post_init__()
        if len(self.factors) < 3:
            raise ConfigError("factors of CameraZoomOptions needs at least three numbers")


@dataclass(frozen=True)
class TriangulationOptions(_Checked):
    """What a triangulated depth is trusted by.

    A match that is ``inlier_width_hd`` off its epipolar line is trusted by a quarter. Matches are
    off by ``match_error_hd``, which with the parallax gives the relative error of a depth; one of
    ``half_trust_error`` is trusted by half. With a trust of ``half_scale_trust`` in all, the
    cameras' scale is halfway to the usual one.
    """

    inlier_width_hd: float = 0.01
    match_error_hd: float = 0.006
    half_trust_error: float = 0.15
    half_scale_trust: float = 1e-3


@dataclass(frozen=True)
class PlaneSweepOptions(_Checked):
    """The sweep of depth by descriptors; depths are compared by their logarithms.

    ``num_depths`` are tried from ``span`` nearer to ``span`` farther than the guess, whose
    deviation is ``guess_deviation``, in the ``num_partners`` views whose cameras fit best. A place
    counts from a score of ``min_score`` above the dustbin's on. The change is the mean over
    neighbouring cells (a Gaussian of deviation ``smoothing_hd``, ``smoothing_rounds`` times): a
    cell that is ``outlier`` off its neighbours counts half, one whose depth has the deviation
    ``certain`` is certain, and ``unmoved`` fully certain cells want no change.
    """

    num_partners: int = 4
    num_depths: int = 33
    span: float = 1.2
    guess_deviation: float = 0.5
    min_score: float = _signed(-5.0)
    smoothing_hd: float = 0.08
    smoothing_rounds: int = 2
    outlier: float = 0.3
    certain: float = 0.1
    unmoved: float = 0.02


@dataclass(frozen=True)
class TrackingOptions(_Checked):
    """Points tracked by descriptors.

    ``temperature`` is that of the matching loss; ``described_weight`` is how many times as much as
    the track head's maps a correspondence head's descriptors count. The place is a mean over
    ``window`` cells about the best one; pictures are compared in patches of ``patch_radius``
    pixels, up to ``max_shift`` pixels from there.
    """

    temperature: float = 0.07
    described_weight: float = 2.0
    window: int = 2
    patch_radius: int = 4
    max_shift: float = 4.0


@dataclass(frozen=True)
class MultiviewOptions:
    """All of multi-view geometry that a network runs, stage by stage."""

    pair_selection: PairSelectionOptions = field(default_factory=PairSelectionOptions)
    upside_down: UpsideDownOptions = field(default_factory=UpsideDownOptions)
    subpixel: SubpixelOptions = field(default_factory=SubpixelOptions)
    eight_point: EightPointOptions = field(default_factory=EightPointOptions)
    relative_pose: RelativePoseOptions = field(default_factory=RelativePoseOptions)
    averaging: AveragingOptions = field(default_factory=AveragingOptions)
    pose_adjustment: PoseAdjustmentOptions = field(default_factory=PoseAdjustmentOptions)
    focal_search: FocalSearchOptions = field(default_factory=FocalSearchOptions)
    camera_zooms: CameraZoomOptions = field(default_factory=CameraZoomOptions)
    triangulation: TriangulationOptions = field(default_factory=TriangulationOptions)
    plane_sweep: PlaneSweepOptions = field(default_factory=PlaneSweepOptions)
    tracking: TrackingOptions = field(default_factory=TrackingOptions)
