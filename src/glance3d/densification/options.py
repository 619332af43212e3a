"""How densely and how strictly depth is measured; the defaults are what measurements chose."""

from dataclasses import dataclass

from glance3d.errors import ConfigError


@dataclass(frozen=True)
class SweepOptions:
    """Choices of :func:`glance3d.densification.densify`.

    ``num_planes`` are the fewest and most planes of a sweep, which runs on a grid ``coarseness``
    times smaller a side; ``sweep_radii`` are its windows' (a radius of 3 is a window of 7 x 7
    pixels). A pixel is compared with ``num_sources`` other views,
    of which the ``num_best`` count. It is measured if ``num_confirming`` views see its surface too,
    within ``max_pixels_apart`` of its grid and ``max_ratio_apart`` in depth, and its score is at
    least ``min_score``; one such view is enough from a score of ``min_score_alone`` on.
    """

    num_sources: int = 4
    num_best: int = 2
    num_planes: tuple[int, int] = (24, 128)
    coarseness: float = 1.5
    sweep_radii: tuple[int, ...] = (1, 3)
    min_score: float = 0.3
    min_score_alone: float = 0.6
    num_confirming: int = 2
    max_pixels_apart: float = 1.5
    max_ratio_apart: float = 0.02

    def __post_init__(self) -> None:
        """Refuse what cannot be measured with."""
        if min(self.num_sources, self.num_best, self.num_confirming, self.coarseness) < 1:
            raise ConfigError(
                "num_sources, num_best, num_confirming and coarseness must be at least 1"
            )
        if not 3 <= self.num_planes[0] <= self.num_planes[1]:
            raise ConfigError(f"num_planes must be a range from at least 3, got {self.num_planes}")
        if not self.sweep_radii:
            raise ConfigError("sweep_radii needs at least one window")
