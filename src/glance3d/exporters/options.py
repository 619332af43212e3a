"""Options of an export, and what a writer returns."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from glance3d.errors import InputError
from glance3d.results import Staging

# The published demos drop half of the points and the field's tools none. A quarter removes most of
# the sky, edges and reflections that a network marks as doubtful, and leaves surfaces closed.
DEFAULT_PERCENTILE = 25.0
_SMALLEST_PAGE = 1.0


@dataclass(frozen=True)
class ExportOptions:
    """What can be chosen about a file; each format reads what concerns it.

    ``percentile``: the least confident share of the pixels, in percent, that clouds leave out.
    ``max_points``: at most so many points; None for the format's own default. The COLMAP model of
    a scene with measured points holds them all.
    ``measured_only``: clouds leave out depth that was guessed and not measured from the photos; a
    scene in which nothing was measured is written as it is.
    ``companions``: a format that points to other files (photos, a point cloud) writes those too.
    ``depth_agreement``: how much of its depth a COLMAP point may differ from another view's depth
    map and still count as seen by that view.
    ``page_megabytes``: how large ``scene.html`` may become: fewer points, smaller pictures.
    ``title``: what ``scene.html`` is called; by default its photos' folder names it.
    ``staging`` is set by :func:`glance3d.export`: where files lie before they are moved into place.
    """

    percentile: float = DEFAULT_PERCENTILE
    max_points: int | None = None
    companions: bool = True
    depth_agreement: float = 0.02
    measured_only: bool = False
    page_megabytes: float = 15.0
    title: str | None = None
    staging: Staging | None = None

    def __post_init__(self) -> None:
        """Refuse values outside their ranges."""
        if not 0 <= self.percentile < 100:
            raise InputError(
                f"percentile must be from 0 (keep all) to below 100, got {self.percentile}"
            )
        if self.max_points is not None and self.max_points < 1:
            raise InputError(f"max_points must be at least 1, got {self.max_points}")
        if self.page_megabytes < _SMALLEST_PAGE:
            raise InputError(
                f"page_megabytes must be at least {_SMALLEST_PAGE}, got {self.page_megabytes}: "
                "the page's own program needs more than half of that"
            )
        if not 0 < self.depth_agreement < 1:
            raise InputError(f"depth_agreement must be between 0 and 1, got {self.depth_agreement}")

    def final(self, path: Path) -> Path:
        """Where what is written to ``path`` will stand."""
        return path if self.staging is None else self.staging.final(path)

    def find(self, path: Path) -> Path:
        """A file to be written to ``path``, or the one that stands at its place instead."""
        return path if self.staging is None else self.staging.find(path)

    def owns(self, final: Path) -> bool:
        """Whether the file that stands there is an unchanged result of Glance3D."""
        return self.staging is not None and self.staging.owns(final)

    def keep(self, final: Path) -> None:
        """Let a file stand where it is, as part of the result."""
        if self.staging is not None:
            self.staging.keep(final)


def build_options(**options: Any) -> ExportOptions:
    """Options by name; an unknown name is refused with the known ones."""
    known = [field.name for field in fields(ExportOptions) if field.name != "staging"]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError(
            f"unknown export option {', '.join(unknown)}: choose from {', '.join(known)}"
        )
    return ExportOptions(**options)


@dataclass(frozen=True)
class WriteResult:
    """The files that a writer made, and warnings about them."""

    paths: tuple[Path, ...]
    warnings: tuple[str, ...] = ()

    def __add__(self, other: "WriteResult") -> "WriteResult":
        return WriteResult(self.paths + other.paths, self.warnings + other.warnings)
