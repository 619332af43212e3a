"""What was measured between two windows: a similarity, and how far it is to be trusted."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.similarity import Similarity


@dataclass(frozen=True)
class EdgeNoise:
    """Standard deviations along one axis: radians, shares of the unit, logarithm of scale."""

    rotation: float
    translation: float
    log_scale: float

    def __add__(self, other: "EdgeNoise") -> "EdgeNoise":
        """Of two independent errors, one after the other."""
        pairs = zip(self.as_tuple(), other.as_tuple(), strict=True)
        return EdgeNoise(*((one * one + two * two) ** 0.5 for one, two in pairs))

    def as_tuple(self) -> tuple[float, float, float]:
        """Rotation, translation, scale."""
        return self.rotation, self.translation, self.log_scale


@dataclass(frozen=True)
class WindowEdge:
    """``first_from_second``: how the second window lies in the first one's frame, as measured.

    ``anchor`` is the point of the second window's frame, amid the cameras that told, about which
    rotation, translation and scale are told independently of each other. ``unit`` is the median
    depth there, in the first window's lengths. A ``loop`` joins windows that share no view.
    """

    first: int
    second: int
    first_from_second: Similarity
    anchor: Float[Tensor, "3"]
    unit: float
    noise: EdgeNoise
    loop: bool = False
