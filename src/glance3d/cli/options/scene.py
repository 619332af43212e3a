"""Everything that can be asked of a new scene: the groups that commands which make one share."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import tyro

from glance3d.cli.options.clips import ClipFlags
from glance3d.cli.options.known import MetricFlags, read_known_quantities
from glance3d.cli.options.model import ModelFlags
from glance3d.cli.options.output import NewSceneFolderFlags
from glance3d.cli.options.passes import PassFlags
from glance3d.cli.options.photo_input import InputFlags
from glance3d.cli.options.refinement import OptionalRefinementFlags

if TYPE_CHECKING:
    from glance3d.pipeline import SceneRecipe


@dataclass(frozen=True, kw_only=True)
class SceneFlags:
    """Panels of a command that makes scenes."""

    output: NewSceneFolderFlags
    model: ModelFlags = field(default_factory=ModelFlags)
    input: InputFlags = field(default_factory=InputFlags)
    clips: Annotated[ClipFlags, tyro.conf.arg(name="clip")] = field(default_factory=ClipFlags)
    passes: Annotated[PassFlags, tyro.conf.arg(name="pass")] = field(default_factory=PassFlags)
    refinement: OptionalRefinementFlags = field(default_factory=OptionalRefinementFlags)
    known: Annotated[MetricFlags, tyro.conf.arg(name="known quantity")] = field(
        default_factory=MetricFlags
    )
    """Shown to networks that take cameras; held by --refine; else focal lengths, size and frame."""

    def recipe(self) -> "SceneRecipe":
        """The same for the library; refuses what contradicts itself, and reads known cameras.

        Raises:
            Glance3DError: an option or a file that it names cannot be used.
        """
        passes = self.passes.options()
        inputs = self.input.options(self.clips)
        known = read_known_quantities(self.known)
        self.refinement.refuse_impossible()
        from glance3d.pipeline import SceneRecipe

        return SceneRecipe(
            inputs,
            passes,
            self.refinement.options() if self.refinement.is_wanted else None,
            self.refinement.densify_or_not,
            known,
            self.output.confidence_percentile,
            self.output.max_points,
        )
