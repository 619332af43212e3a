"""What a COLMAP model says of cameras and photos, and which camera models COLMAP has.

Source: https://colmap.github.io/format.html; the numbers of the models and of their parameters from
``src/colmap/sensor/models.h`` of COLMAP 4.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError
from glance3d.formats.camera_values import MAX_SIDE, refuse_far
from glance3d.formats.lenses import Lens, build_lens
from glance3d.geometry.transforms import rotation_from_quat_xyzw

_SHOWN = 3

# Each model's parameters, by its name.
PINHOLE_PARAMETERS: dict[str, tuple[str, ...]] = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
    "FULL_OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
}
# By COLMAP's number of each model: its name and how many parameters it has. What no pinhole comes
# near is passed over, so that the poses can still be read.
MODELS: dict[int, tuple[str, int]] = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
    7: ("FOV", 5),
    8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5),
    10: ("THIN_PRISM_FISHEYE", 12),
    11: ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
    12: ("SIMPLE_DIVISION", 4),
    13: ("DIVISION", 5),
    14: ("SIMPLE_FISHEYE", 3),
    15: ("FISHEYE", 4),
    16: ("EUCM", 6),
    17: ("EQUIRECTANGULAR", 2),
}
NUM_PARAMETERS = dict(MODELS.values())


@dataclass(frozen=True)
class ColmapCamera:
    """One camera as the file has it; ``size`` is (width, height)."""

    model: str
    size: tuple[int, int]
    parameters: tuple[float, ...]

    def lens(self) -> Lens | None:
        """Pinhole and k1; None of a model that is no pinhole's.

        Raises:
            CamerasError: the numbers are no camera's.
        """
        if not all(1 <= side <= MAX_SIDE for side in self.size):
            raise CamerasError(f"a photo of {self.size[0]:.6g} x {self.size[1]:.6g} pixels")
        wanted = NUM_PARAMETERS.get(self.model)
        if wanted is not None and len(self.parameters) != wanted:
            raise CamerasError(
                f"{self.model} with {len(self.parameters)} parameters; wanted {wanted}"
            )
        names = PINHOLE_PARAMETERS.get(self.model)
        if names is None:
            return None
        values = dict(zip(names, self.parameters, strict=True))
        focal = values.pop("fx", values.get("f", 0.0)), values.pop("fy", values.get("f", 0.0))
        values.pop("f", None)
        return build_lens(focal, (values.pop("cx"), values.pop("cy")), self.size, values)


@dataclass(frozen=True)
class ColmapImage:
    """One photo as the file has it."""

    name: str
    camera_id: int
    cam_from_world: Float[Tensor, "3 4"]


@dataclass
class Oddities:
    """Places of a file that were not understood, the first few of them in words."""

    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, where: str, reason: str) -> None:
        """One more."""
        self.count += 1
        if len(self.shown) < _SHOWN:
            self.shown.append(f"{where} ({reason})")

    def warning(self, what: str) -> list[str]:
        """One sentence about all of them, if there are any; ``what`` is not used for them."""
        if not self.count:
            return []
        more = f" and {self.count - len(self.shown)} more" if self.count > len(self.shown) else ""
        return [f"not understood, and {what}: {', '.join(self.shown)}{more}"]


def build_image(name: str, camera_id: int, values: Sequence[float]) -> ColmapImage:
    """``values`` are the quaternion w x y z and the translation.

    Raises:
        CamerasError: they are no pose.
    """
    if not all(map(math.isfinite, values)):
        raise CamerasError(f"the pose of {name} is not finite")
    w, x, y, z, *translation = values
    # Before it is squared, so that neither tiny nor huge quaternions lose their direction.
    largest = max(map(abs, (w, x, y, z)))
    if not 1e-6 < largest < 1e6:
        raise CamerasError(f"the rotation of {name} is no quaternion: {w:g} {x:g} {y:g} {z:g}")
    quat_xyzw = torch.tensor([x, y, z, w], dtype=torch.float64) / largest
    shift = quat_xyzw.new_tensor(translation)[:, None]
    pose = torch.cat([rotation_from_quat_xyzw(quat_xyzw), shift], -1)
    refuse_far(pose, name)
    return ColmapImage(name, camera_id, pose)
