"""Known weights, each with its card: where it comes from and what may be done with it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from glance3d.images import Preprocessing
from glance3d.models import config as configs
from glance3d.models.config import ModelConfig
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


def _da3(
    name: str,
    repository: str,
    build_config: Callable[[], ModelConfig],
    num_parameters: int,
    pose_accuracy: PoseAccuracy,
    **about: Any,
) -> WeightsCard:
    """A size of Depth Anything 3; free, but for what ``about`` says."""
    free = WeightsCard(
        name=name,
        build_config=build_config,
        source=f"depth-anything/{repository}",
        filename="model.safetensors",
        licence="Apache-2.0",
        licence_source=f"{HUB}depth-anything/{repository}",
        commercial="yes",
        num_parameters=num_parameters,
        preprocessing=DA3_PREPROCESSING,
        convention=_FIRST_VIEW,
        good_at=frozenset(("depth", "poses")),  # it has no tracker
        pose_accuracy=pose_accuracy,
    )
    return replace(free, **about)


_NOT_COMMERCIAL: dict[str, Any] = {
    "licence": "CC-BY-NC-4.0",
    "commercial": "no",
    "note": "Research and other non-commercial use only.",
}

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
        _da3(
            "da3-small",
            "DA3-SMALL",
            configs.da3_small,
            34_299_463,
            _auc30(75.2, 62.1, 91.2, 78.7, 71.9),
            size_bytes=137_248_940,
            sha256="364492e38a3a06d221ac75da7f6621ada3f2361cd24fde11ba79091e9f40efcf",
            revision="e08cab65ca0e",
        ),
        _da3(
            "da3-base",
            "DA3-BASE",
            configs.da3_base,
            135_366_599,
            _auc30(83.2, 74.6, 95.9, 82.9, 83.4),
            size_bytes=541_518_028,
            sha256="e01067dc1659613083d9145a9a2547ccdbe6ccbbf83c4fe7b3e8a4e2bdae78b5",
            revision="f4a6c9b3c95e",
        ),
        _da3(
            "da3-large",
            "DA3-LARGE",
            configs.da3_large,
            410_941_767,
            _auc30(94.2, 86.9, 96.7, 86.6, 94.7),
            **_NOT_COMMERCIAL,
        ),
        _da3(
            "da3-large-1.1",
            "DA3-LARGE-1.1",
            lambda: replace(configs.da3_large(), name="da3-large-1.1"),
            410_941_767,
            _auc30(
                94.2, 86.9, 96.7, 86.6, 94.7, " (of da3-large: none is published of these weights)"
            ),
            commercial="disputed",
            note=(
                "Its card says Apache-2.0, the README of its code CC-BY-NC-4.0: ask its authors "
                "before commercial use."
            ),
        ),
        _da3(
            "da3-giant",
            "DA3-GIANT",
            configs.da3_giant,
            1_320_045_639,  # without the Gaussian head, which the file has besides
            _auc30(95.9, 91.2, 99.4, 86.8, 98.1),
            **_NOT_COMMERCIAL,
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
