"""How cameras are refined: flags that several commands share, and the work itself."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.errors import InputError

if TYPE_CHECKING:
    from glance3d.metric_scale.known_quantities import KnownQuantities
    from glance3d.models import Network
    from glance3d.refinement import RefineOptions
    from glance3d.types import Reconstruction


_CORRESPONDENCES = (
    "SIFT features, the network's tracks, or both. auto: SIFT, and where it is not enough the "
    "network's matches or tracks."
)


@dataclass(frozen=True)
class _Switch:
    refine: Flag = False
    """Verify and adjust the cameras by feature matches (see glance3d refine)."""


@dataclass(frozen=True)
class RefinementFlags:
    """How cameras are refined."""

    densify: Flag = False
    """Measure depth again from the photos. glance-small's is measured by default."""
    no_densify: Flag = False
    """Keep the network's depth, fitted to the refined points."""
    camera: Literal["auto", "single", "per-image", "per-folder"] = "auto"
    """Which photos share one camera. auto: by EXIF and image size."""
    camera_model: Literal["pinhole", "simple-radial"] = "pinhole"
    """simple-radial also estimates one coefficient of lens distortion."""
    correspondences: Annotated[
        Literal["auto", "sift", "tracks", "both"], tyro.conf.arg(help=_CORRESPONDENCES)
    ] = "auto"
    seed: Annotated[int, tyro.conf.arg(metavar="INT")] = 0
    """The same seed gives the same cameras."""

    def refuse_impossible(self) -> None:
        """Refuse before the work, in one line: tyro draws a box around earlier errors."""
        if self.densify and self.no_densify:
            raise InputError("--densify and --no-densify were both given: choose one")
        self.options()

    def options(self) -> "RefineOptions":
        """The same as the library takes it; refuses values outside their ranges."""
        from glance3d.refinement import RefineOptions

        return RefineOptions(
            correspondences=self.correspondences,
            camera=self.camera,
            camera_model=self.camera_model,
            seed=self.seed,
        )

    @property
    def densify_or_not(self) -> bool | None:
        """What was asked; None leaves it to the model."""
        return True if self.densify else False if self.no_densify else None


@dataclass(frozen=True)
class OptionalRefinementFlags(RefinementFlags, _Switch):  # fields of the last base come first
    """Whether and how cameras are refined."""

    @property
    def is_wanted(self) -> bool:
        """Whether to refine: asked for, or needed to densify."""
        return self.refine or self.densify


def refined(
    scene: "Reconstruction",
    options: RefinementFlags,
    quantities: "KnownQuantities",
    network: "Callable[[], Network]",
    *,
    photos: Path | None = None,
    progress: bool = False,
) -> "Reconstruction":
    """The scene refined, with known cameras held; ``photos`` is where copies of the photos lie."""
    from glance3d.refinement import refine

    return refine(
        scene,
        folder=photos,
        options=options.options(),
        known=quantities.cameras,
        network=network,
        densify=options.densify_or_not,
        progress=progress,
    )


def refinement_summary(scene: "Reconstruction") -> list[str]:
    """What refinement came to, for a person, and how far each photo can be trusted."""
    from glance3d.text import named_groups
    from glance3d.trust.report import trust_text
    from glance3d.types import HELD_BY_PHOTOS

    section = scene.report.refinement
    if section is None:
        return []
    lines = [
        f"refined: {section.num_registered} of {scene.num_views} photos are held by "
        f"{section.num_points} points with {section.num_observations} observations"
    ]
    if section.components:
        measured = zip(scene.names, scene.registered_by, strict=True)
        main = [name for name, by in measured if by in HELD_BY_PHOTOS]
        groups = [main, *section.components]
        lines.append(
            f"the photos are in {len(groups)} parts that nothing measured connects, and that may "
            f"be different scenes: {named_groups(groups)}"
        )
    if section.measured_share is not None:
        lines.append(
            f"depth was measured from the photos at {section.measured_share:.0%} of their pixels"
        )
    return [*lines, *trust_text(scene)]
