"""What is known of one checkpoint: its source, what may be done with it, what it is good for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal, get_args

from glance3d.images import Preprocessing
from glance3d.models.config import ModelConfig

EMBEDDED_FOLDER = Path(__file__).parents[1] / "embedded"
HUB = "https://huggingface.co/"

#: Whether the licence of the weights allows commercial use; "disputed": their publishers say both.
Commercial = Literal["yes", "no", "disputed"]

#: Outputs of a network that are good enough to be used as they are; otherwise a slower and more
#: reliable method replaces them. "depth": refinement keeps the depth, fitted to its points, instead
#: of measuring it from the photos. "tracks": points are followed by the tracker instead of by the
#: most similar feature, and refinement adds the tracks where SIFT leaves photos out. "matches":
#: refinement adds matches of its descriptors there. "poses": the cameras hold where photos overlap
#: little. "metric": lengths are metres.
Ability = Literal["depth", "poses", "tracks", "metric", "matches"]
ABILITIES: tuple[Ability, ...] = get_args(Ability)


@dataclass(frozen=True)
class Convention:
    """What a network's numbers are in, in words: the unit of length and the frame of the world."""

    scale: str
    world: str


@dataclass(frozen=True)
class PoseAccuracy:
    """Published pose AUC@30 in percent (over pairs of views, up to 30 degrees), by photo set."""

    auc30: Mapping[str, float]
    source: str

    @property
    def mean(self) -> float:
        """Over the photo sets: what models are ranked by."""
        return fmean(self.auc30.values())


@dataclass(frozen=True)
class WeightsCard:
    """One checkpoint: its source, its licence, its size, and how it wants photos prepared.

    ``source`` is "embedded" (in this package) or a Hugging Face repository; ``filename`` is the
    file there. ``licence`` is that of the *weights*, ``licence_source`` where it is stated.
    ``size_bytes`` and ``sha256`` are the file's, None where nobody has recorded them; ``revision``
    is the beginning of the commit that they were recorded of. ``note`` is what a user should know
    first, ``limits`` what is wrong with its guesses, which refinement may settle. ``good_at`` is
    what its answers are used for without being asked, see :data:`Ability`.
    """

    name: str
    build_config: Callable[[], ModelConfig]
    source: str
    filename: str
    licence: str
    licence_source: str
    commercial: Commercial
    num_parameters: int
    preprocessing: Preprocessing
    convention: Convention
    good_at: frozenset[Ability]
    size_bytes: int | None = None
    sha256: str | None = None
    revision: str | None = None
    pose_accuracy: PoseAccuracy | None = None
    note: str = ""
    limits: str = ""
    gated: bool = False

    @property
    def warnings(self) -> list[str]:
        """Sentences for a report, each with the name before it."""
        return [self.warning(text) for text in (self.note, self.limits) if text]

    def warning(self, text: str) -> str:
        """One sentence for a report."""
        return f"{self.name}: {text}"

    @property
    def summary(self) -> str:
        """The one thing to know where there is room for one."""
        return self.note or self.limits

    @property
    def is_embedded(self) -> bool:
        """Whether the weights come with this package."""
        return self.source == "embedded"

    @property
    def is_free(self) -> bool:
        """Whether anybody may fetch it, unasked, for any purpose."""
        return self.commercial == "yes" and not self.gated

    @property
    def embedded_path(self) -> Path | None:
        """The file in this package, if the weights come with it."""
        path = EMBEDDED_FOLDER / self.filename
        return path if self.is_embedded and path.is_file() else None
