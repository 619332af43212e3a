"""What each stage reports: one frozen record a stage.

Names of fields are keys of ``report.json``, which are stable. A field that is None was not said.
Beside free diagnostics stands what they hold. Times are seconds,
sizes (width, height) in pixels, memory bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from glance3d.types.json_record import JsonRecord

# Free diagnostics, frozen as JSON is frozen (``JsonObject``).
Diagnostics = Mapping[str, Any]


@dataclass(frozen=True)
class WeightsReport(JsonRecord):
    """Whose weights, and what may be done with what they make."""

    always: ClassVar[frozenset[str]] = frozenset(
        ("source", "file", "size_bytes", "sha256", "licence", "commercial_use", "note")
    )
    source: str | None = None
    file: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    licence: str | None = None
    commercial_use: bool | None = None  # False where it is disputed
    commercial: str | None = None  # "yes", "no" or "disputed"
    licence_source: str | None = None  # where the licence is stated
    note: str | None = None


@dataclass(frozen=True)
class AdapterReport(JsonRecord):
    """Which adapter was merged into the weights."""

    file: str | None = None
    sha256: str | None = None
    rank: int | None = None
    num_layers: int | None = None


@dataclass(frozen=True)
class ModelReport(JsonRecord):
    """Which network; ``precision`` is that of its large products."""

    name: str | None = None
    num_parameters: int | None = None
    precision: str | None = None
    choice: str | None = None  # why "auto" took it
    weights: WeightsReport = field(default=WeightsReport())
    adapter: AdapterReport | None = None


@dataclass(frozen=True)
class MadeReport(JsonRecord):
    """How the network was run: what is said once, when the scene is made."""

    always: ClassVar[frozenset[str]] = frozenset(("windows",))
    schema: str | None = None
    created: str | None = None  # UTC, ISO 8601
    versions: Diagnostics | None = None  # of glance3d, python, torch ...: text
    machine: Diagnostics | None = None  # platform, processor, num_cores, device, accelerator ...
    model: ModelReport = field(default=ModelReport())
    preprocessing: Diagnostics | None = None  # the fields of ``Preprocessing``
    outputs: tuple[str, ...] | None = None
    reference_view: str | None = None  # its name
    reference: Diagnostics | None = None  # asked, view, reason
    processed_size: tuple[int, int] | None = None
    stated_focal_lengths: Diagnostics | None = None  # num_known, num_by_files
    given_cameras: Diagnostics | None = None  # to_network, reason, passes; None: none are known
    num_query_points: int | None = None
    clips: tuple[Diagnostics, ...] | None = None  # the fields of ``ClipSummary``
    memory: Diagnostics | None = None  # peak_process, peak_gpu, planned
    attention: Diagnostics | None = None  # kind, approximate, backend
    fast_paths: tuple[Diagnostics, ...] | None = None  # what ran of each, and why
    windows: Diagnostics | None = None  # num_windows, joins, loops, components ...
    groups: tuple[tuple[str, ...], ...] | None = None  # of photos with nothing in common


@dataclass(frozen=True)
class MasksReport(JsonRecord):
    """How much of each photo its mask keeps (None: it has none), and whether the network saw it.

    ``network_saw`` is "whole photos" or "masked photos".
    """

    kept_share: Mapping[str, float | None]
    network_saw: str


@dataclass(frozen=True)
class SkippedReport(JsonRecord):
    """A file that was named and not used, and why."""

    source: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class PhotosReport(JsonRecord):
    """The photos of the scene; who brings photos or masks describes all of them anew."""

    always: ClassVar[frozenset[str]] = frozenset(("masks",))
    num_views: int | None = None
    views: tuple[Diagnostics, ...] | None = None  # name, source, and the fields of ``Placement``
    skipped: tuple[SkippedReport, ...] | None = None
    masks: MasksReport | None = None


@dataclass(frozen=True)
class DepthFitReport(JsonRecord):
    """How one photo's depth was fitted to the measured points."""

    scale: float
    power: float
    num_points: int
    median_relative_error: float | None


@dataclass(frozen=True)
class DenseViewReport(JsonRecord):
    """With which photos one was compared, and how much of its depth is measured."""

    compared_with: tuple[str, ...]
    measured_share: float


@dataclass(frozen=True)
class Contradiction(JsonRecord):
    """What contradicts itself in the scene, and which photos show it."""

    reason: str
    kind: str | None = None  # "double surface" or "possible twins"
    views: tuple[str, ...] | None = None
    groups: tuple[tuple[str, ...], ...] | None = None  # of views that agree among themselves


@dataclass(frozen=True)
class TrustReport(JsonRecord):
    """The verdicts in words."""

    always: ClassVar[frozenset[str]] = frozenset(("contradictions",))
    summary: Diagnostics | None = None  # num_views, a number for each verdict that there is, text
    views: tuple[Diagnostics, ...] | None = None  # name, and the fields of ``ViewTrust``
    contradictions: tuple[Contradiction, ...] = ()


@dataclass(frozen=True)
class RefinementReport(JsonRecord):
    """What refinement did, and what each photo's camera rests on."""

    options: Diagnostics  # the fields of ``RefineOptions``
    attempts: tuple[Diagnostics, ...]  # start, and what came of it
    registered_by: Mapping[str, str]
    num_registered: int
    num_points: int
    num_observations: int
    measured_share: float | None
    num_cameras: int
    network_poses: Diagnostics  # confirmed, num_agreeing_pairs, num_pairs
    times: Mapping[str, float]
    known_cameras: Diagnostics | None = None  # as the report's own, of this refinement
    rectified_pair: Diagnostics | None = None  # shift_px
    # Photos that are measured among themselves alone, part by part; none where there is one part.
    components: tuple[tuple[str, ...], ...] | None = None
    photo_pairs: Diagnostics | None = None  # by, num_pairs, num_possible, model
    # num_observations, num_moved, median_move_px, error_before_px, error_after_px, used; one a part
    refined_tracks: tuple[Diagnostics, ...] | None = None


@dataclass(frozen=True)
class MetricScaleReport(JsonRecord):
    """By what lengths are metres, and how surely; ``interval_95`` is of ``metres_per_unit``."""

    applied: bool
    units: str
    world: str
    scale_by: str | None
    frame_by: str | None
    metres_per_unit: float | None
    interval_95: tuple[float, ...] | None
    estimates: tuple[Diagnostics, ...] | None = None  # one a kind of knowledge


@dataclass(frozen=True)
class TracksReport(JsonRecord):
    """How points were followed, and from which values on one counts as visible."""

    by: str
    meaning: str
    min_visibility: float | None = None
    min_confidence: float | None = None
    num_queries: int | None = None


@dataclass(frozen=True)
class AdditionReport(JsonRecord):
    """Photos that were added at one time, and how well they agree with the scene."""

    always: ClassVar[frozenset[str]] = frozenset(("windows",))
    photos: tuple[str, ...]
    anchors: tuple[str, ...]
    num_anchors_agreeing: int
    scale: float
    rotation_sigma_deg: float | None
    distance_sigma: float | None
    windows: Diagnostics | None = None


@dataclass(frozen=True)
class FilesReport(JsonRecord):
    """What was written: the size of each file in bytes."""

    confidence_percentile_dropped: float
    max_points: int | None
    files: Mapping[str, int]


@dataclass(frozen=True)
class ExportReport(JsonRecord):
    """What was written and whether it holds together, in which units and world."""

    units: str | None = None
    world: str | None = None
    checks: Diagnostics | None = None  # colmap: what the model says when it is read back
    export: FilesReport | None = None
