"""The methods of tracking points, what their numbers mean, and which one is the default."""

from dataclasses import dataclass, replace

from glance3d.errors import InputError
from glance3d.images import Preprocessing
from glance3d.models.config import ModelConfig
from glance3d.models.weights.cards import is_good_at
from glance3d.types import HELD_BY_PHOTOS, Reconstruction


@dataclass(frozen=True)
class Thresholds:
    """A point counts as visible where both its visibility and its confidence reach these."""

    min_visibility: float
    min_confidence: float

    def __post_init__(self) -> None:
        """Refuse values outside 0 to 1."""
        for name in ("min_visibility", "min_confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be from 0 to 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Method:
    """One method of tracking points: what its numbers mean, and which points count as visible."""

    summary: str
    thresholds: Thresholds


METHODS = {
    "network": Method(
        "the network's tracker: its own visibility and confidence", Thresholds(0.5, 0.0)
    ),
    "matching": Method(
        "the place that looks most alike to the network: visibility is how mutual the match is, "
        "confidence the cosine of the features",
        Thresholds(0.5, 0.85),
    ),
    "geometry": Method(
        "depth and cameras: visibility is how well the other photo's depth agrees, confidence the "
        "rank of the query's depth in its photo",
        Thresholds(0.5, 0.0),
    ),
}

# Matches are more accurate on finer images: on photos of a facade the median distance to the
# epipolar line is 0.13 pixels of 768 at 384 x 288.
_MATCHING_PIXELS = 256 * 256


def resolve_method(by: str, config: ModelConfig, scene: Reconstruction | None) -> str:
    """The method of this name; "auto" is the best that is known for this model and scene.

    Geometry is the most reliable for static scenes where depth was measured and all cameras were
    adjusted or known (on a stereo pair with true depth a median of 0.5 pixels of 741 everywhere;
    matching 0.4, where it has a match). Otherwise it is the tracker, or matching for models whose
    card does not name tracks among their strengths. Without a tracker only geometry is possible.

    Raises:
        InputError: the name is unknown, or the model has no tracker, which this method needs.
    """
    if by != "auto":
        if by not in METHODS:
            raise InputError(f"by must be auto or one of {', '.join(METHODS)}, got {by!r}")
        if by != "geometry" and not has_tracker(config):
            raise InputError(
                f"by must be geometry for {config.name}, which has no tracker, got {by!r}: follow "
                "points by geometry, or use another model"
            )
        return by
    if not has_tracker(config) or (scene is not None and _geometry_is_measured(scene)):
        return "geometry"
    return "network" if is_good_at(config.name, "tracks") else "matching"


def has_tracker(config: ModelConfig) -> bool:
    """Whether it has the features that points are followed by without depth and cameras."""
    return "tracks" in config.outputs


def resolve_without_scene(by: str, config: ModelConfig) -> str:
    """:func:`resolve_method` without a scene, that is, without depth and cameras."""
    if not has_tracker(config):
        raise InputError(
            f"the model must have a tracker where there is no scene, got {config.name}: use another"
        )
    method = resolve_method(by, config, None)
    if method == "geometry":
        raise InputError(
            "geometry tracks by the depth and cameras of a scene, and there is none: choose "
            "network or matching"
        )
    return method


def _geometry_is_measured(scene: Reconstruction) -> bool:
    if scene.depth is None or scene.measured is None or not scene.trust:
        return False
    return all(view.registered_by in HELD_BY_PHOTOS for view in scene.trust)


def thresholds_of(
    method: str, min_visibility: float | None = None, min_confidence: float | None = None
) -> Thresholds:
    """A method's own thresholds, with the given ones replaced."""
    own = METHODS[method].thresholds
    return Thresholds(
        own.min_visibility if min_visibility is None else min_visibility,
        own.min_confidence if min_confidence is None else min_confidence,
    )


def finer_preprocessing(method: str, preprocessing: Preprocessing) -> Preprocessing:
    """The preprocessing for tracking points: finer images for matching."""
    if method != "matching" or preprocessing.mode != "fit":
        return preprocessing
    return replace(preprocessing, max_pixels=max(preprocessing.max_pixels, _MATCHING_PIXELS))
