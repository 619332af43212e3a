"""Known weights, each with its card: where it comes from and what may be done with it."""

from dataclasses import replace

from glance3d.images import Preprocessing
from glance3d.models import config as configs
from glance3d.models.weights.weights_card import (
    HUB,
    Ability,
    Convention,
    PoseAccuracy,
    WeightsCard,
)

_DA3_PAPER = "Depth Anything 3 (Lin et al. 2025, arXiv 2511.10647), table 2"
_FIRST_VIEW = Convention("arbitrary, one for the whole scene", "the reference view's camera")
_VGGT_PREPROCESSING = Preprocessing(max_pixels=518 * 392, patch_size=14, max_side=518)
#: As published, but where photos differ in shape they are padded, not cropped to what all share:
#: of a portrait and a landscape photo a quarter each would be lost.
DA3_PREPROCESSING = Preprocessing(
    mode="upper_bound_pad", size=504, max_pixels=504 * 504, patch_size=14, max_side=504
)


def _auc30(
    hiroom: float, eth3d: float, dtu: float, seven_scenes: float, scannetpp: float, note: str = ""
) -> PoseAccuracy:
    """A row of the paper's table; ``note`` says where it is not of these very weights."""
    sets = ("HiRoom", "ETH3D", "DTU", "7-Scenes", "ScanNet++")
    values = (hiroom, eth3d, dtu, seven_scenes, scannetpp)
    return PoseAccuracy(dict(zip(sets, values, strict=True)), _DA3_PAPER + note)


CARDS: dict[str, WeightsCard] = {
    card.name: card
    for card in (
        WeightsCard(
            name="glance-small",
            build_config=configs.glance_small,
            source="embedded",
            filename="glance-small.safetensors",
            licence="Apache-2.0",
            licence_source="LICENSE of Glance3D",
            commercial="yes",
            num_parameters=14_333_179,
            size_bytes=28_746_126,
            preprocessing=Preprocessing(mode="fit", size=384, max_pixels=384 * 288, patch_size=16),
            convention=_FIRST_VIEW,
            limits=(
                "Trained for a few hours on two cores: its cameras and depth are good where photos "
                "overlap much and a guess where they do not: refine them (--refine)."
            ),
            # Depth: far more of what is measured from photos lies within 1.25 of the truth.
            # Tracks, as refinement uses them: they held no photo more on any set, real or drawn,
            # and cost a minute for a dozen photos. Tracks, as they are: the median error of visible
            # points of synthetic validation scenes of 128 pixels is 8.1 pixels, of matching 1.1, of
            # geometry 2.6. Matches: on a walk through an office refinement holds 47 of 63 photos
            # with them, 15 without.
            good_at=frozenset(("matches",)),
        ),
        WeightsCard(
            name="vggt-1b",
            build_config=configs.vggt_1b,
            source="facebook/VGGT-1B",
            filename="model.safetensors",
            licence="CC-BY-NC-4.0",
            licence_source=f"{HUB}facebook/VGGT-1B",
            commercial="no",
            num_parameters=1_256_537_516,
            preprocessing=_VGGT_PREPROCESSING,
            convention=_FIRST_VIEW,
            good_at=frozenset(("depth", "poses", "tracks")),
            pose_accuracy=_auc30(88.0, 80.8, 99.8, 85.0, 95.1),
            note="Research and other non-commercial use only.",
        ),
        WeightsCard(
            name="vggt-1b-commercial",
            # By its own name in scenes, so that what comes later loads no other weights.
            build_config=lambda: replace(configs.vggt_1b(), name="vggt-1b-commercial"),
            source="facebook/VGGT-1B-Commercial",
            filename="vggt_1B_commercial.pt",
            licence="VGGT-1B-Commercial licence (VGGT AUP)",
            licence_source=f"{HUB}facebook/VGGT-1B-Commercial",
            commercial="yes",
            num_parameters=1_256_537_516,
            preprocessing=_VGGT_PREPROCESSING,
            convention=_FIRST_VIEW,
            good_at=frozenset(("depth", "poses", "tracks")),
            pose_accuracy=_auc30(
                88.0, 80.8, 99.8, 85.0, 95.1, " (of vggt-1b: none is published of these weights)"
            ),
            note=(
                "Commercial use allowed except for military purposes; the licence must be accepted "
                "on the hub first (then log in with `hf auth login`)."
            ),
            gated=True,
        ),
    )
}

ALIASES = {card.source: name for name, card in CARDS.items() if not card.is_embedded}


def is_good_at(model: str, ability: Ability) -> bool:
    """Whether the network of this name is good at it; one without a card is taken to be."""
    card = CARDS.get(model)
    return card is None or ability in card.good_at


def list_cards() -> list[WeightsCard]:
    """List the cards of all known checkpoints (name, licence, download), the default first."""
    return list(CARDS.values())
