"""Known weights, each with its card: where it comes from and what may be done with it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glance3d.images import Preprocessing
from glance3d.models import config as configs
from glance3d.models.config import ModelConfig

EMBEDDED_FOLDER = Path(__file__).parents[1] / "embedded"

#: Outputs of a network that are good enough to be used as they are; otherwise a slower and more
#: reliable method replaces them. "depth": refinement keeps the depth, fitted to its points, instead
#: of measuring it from the photos. "tracks": points are followed by the tracker instead of by the
#: most similar feature, and refinement adds the tracks where SIFT leaves photos out.
Ability = Literal["depth", "tracks"]
ABILITIES: frozenset[Ability] = frozenset(("depth", "tracks"))


@dataclass(frozen=True)
class WeightsCard:
    """One checkpoint: its source, its licence, its size, and how it wants photos prepared.

    ``source`` is "embedded" (in this package) or a Hugging Face repository; ``filename`` is the
    file there. ``licence`` is that of the *weights*. ``note`` is what a user should know first,
    ``limits`` what is wrong with its guesses, which refinement may settle. ``good_at`` is what its
    answers are used for without being asked, see :data:`Ability`.
    """

    name: str
    build_config: Callable[[], ModelConfig]
    source: str
    filename: str
    licence: str
    commercial_use: bool
    num_parameters: int
    size_bytes: int
    preprocessing: Preprocessing
    note: str = ""
    limits: str = ""
    gated: bool = False
    good_at: frozenset[Ability] = ABILITIES

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
    def embedded_path(self) -> Path | None:
        """The file in this package, if the weights come with it."""
        path = EMBEDDED_FOLDER / self.filename
        return path if self.source == "embedded" and path.is_file() else None


_VGGT_PREPROCESSING = Preprocessing(max_pixels=518 * 392, patch_size=14, max_side=518)
#: As published, but where photos differ in shape they are padded, not cropped to what all share:
#: of a portrait and a landscape photo a quarter each would be lost.
DA3_PREPROCESSING = Preprocessing(
    mode="upper_bound_pad", size=504, max_pixels=504 * 504, patch_size=14, max_side=504
)

CARDS: dict[str, WeightsCard] = {
    card.name: card
    for card in (
        WeightsCard(
            name="glance-small",
            build_config=configs.glance_small,
            source="embedded",
            filename="glance-small.safetensors",
            licence="Apache-2.0",
            commercial_use=True,
            num_parameters=14_333_179,
            size_bytes=28_746_126,
            preprocessing=Preprocessing(mode="fit", size=384, max_pixels=384 * 288, patch_size=16),
            limits=(
                "Trained for a few hours on two cores: its cameras and depth are good where photos "
                "overlap much and a guess where they do not: refine them (--refine)."
            ),
            # Depth: far more of what is measured from photos lies within 1.25 of the truth.
            # Tracks, as refinement uses them: they held no photo more on any set, real or drawn,
            # and cost a minute for a dozen photos. Tracks, as they are: the median error of visible
            # points of synthetic validation scenes of 128 pixels is 8.1 pixels, of matching 1.1, of
            # geometry 2.6.
            good_at=frozenset(),
        ),
        WeightsCard(
            name="vggt-1b",
            build_config=configs.vggt_1b,
            source="facebook/VGGT-1B",
            filename="model.safetensors",
            licence="CC-BY-NC-4.0",
            commercial_use=False,
            num_parameters=1_256_537_516,
            size_bytes=5_026_350_672,
            preprocessing=_VGGT_PREPROCESSING,
            note="Research and other non-commercial use only.",
        ),
        WeightsCard(
            name="vggt-1b-commercial",
            build_config=configs.vggt_1b,
            source="facebook/VGGT-1B-Commercial",
            filename="vggt_1B_commercial.pt",
            licence="VGGT-1B-Commercial licence (VGGT AUP)",
            commercial_use=True,
            num_parameters=1_256_537_516,
            size_bytes=5_026_350_672,
            preprocessing=_VGGT_PREPROCESSING,
            note=(
                "Commercial use allowed except for military purposes; the licence must be accepted "
                "on the hub first (then log in with `hf auth login`)."
            ),
            gated=True,
        ),
    )
}

ALIASES = {card.source: name for name, card in CARDS.items() if card.source != "embedded"}


def is_good_at(model: str, ability: Ability) -> bool:
    """Whether the network of this name is good at it; one without a card is taken to be."""
    card = CARDS.get(model)
    return card is None or ability in card.good_at


def list_cards() -> list[WeightsCard]:
    """List the cards of all known checkpoints (name, licence, download), the default first."""
    return list(CARDS.values())
