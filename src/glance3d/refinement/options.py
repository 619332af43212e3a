"""What a person may choose about refinement."""

from dataclasses import dataclass
from numbers import Integral

from glance3d.errors import ConfigError

CORRESPONDENCES = ("auto", "sift", "tracks", "both")
CAMERA_GROUPS = ("auto", "single", "per-image", "per-folder")
CAMERA_MODELS = ("pinhole", "simple-radial")


@dataclass(frozen=True)
class RefineOptions:
    """How cameras are refined.

    ``correspondences``: from SIFT, from the network's tracks, or both; "auto" is SIFT, and where
    it leaves photos out the network's matches or tracks, if its card says that they are good.
    ``camera``: which photos share one camera; "auto" goes by EXIF and size. ``camera_model``:
    "pinhole", or "simple-radial" with one coefficient of distortion. Features are found on photos
    of at most ``max_image_size`` pixels on the longer side, at most ``max_features`` each. The same
    ``seed`` gives the same result on the same machine.
    """

    correspondences: str = "auto"
    camera: str = "auto"
    camera_model: str = "pinhole"
    max_features: int = 8192
    max_image_size: int = 1600
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what is not known."""
        _one_of("correspondences", self.correspondences, CORRESPONDENCES)
        _one_of("camera", self.camera, CAMERA_GROUPS)
        _one_of("camera_model", self.camera_model, CAMERA_MODELS)
        if self.max_features < 100 or self.max_image_size < 100:
            raise ConfigError("refinement needs max_features and max_image_size of at least 100")
        if not isinstance(self.seed, Integral) or not 0 <= self.seed < 2**31:
            raise ConfigError(f"seed must be a whole number from 0 to 2**31 - 1, got {self.seed!r}")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{name} must be one of {', '.join(known)}, got {value!r}")
