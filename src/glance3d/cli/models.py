"""``glance3d models``: what can be loaded by name, and what may be done with it."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.files.atomic import to_json_text

if TYPE_CHECKING:
    from glance3d.models import WeightsCard

WIDTH = 80


@dataclass(frozen=True)
class Options:
    """List the known models: licence of the weights, commercial use, size, what they are good at.

    --fetch downloads the weights of one, which then work offline. What was cut is continued. The
    hub's variables hold: HF_ENDPOINT (a mirror), HF_HOME (where files go), HF_TOKEN.

    Example: glance3d models --fetch da3-small
    """

    fetch: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Download and verify the weights of this model."""
    json: Flag = False
    """Print JSON."""


def run(options: Options) -> None:
    """Print a table of all cards, or fetch the weights of one."""
    from glance3d.models import ModelSource, list_cards

    cards = list_cards()
    if options.fetch is not None:
        source = ModelSource(options.fetch)
        path = source.fetch()
        card = source.outline().card
        cards = [] if card is None else [card]
        if not options.json:
            print(f"{options.fetch} is on this machine, verified: {path}")
            return
    if options.json:
        print(to_json_text([describe(card) for card in cards], indent=1))
    else:
        print("\n".join([*table(cards), "", *explanations(cards)]))


def describe(card: "WeightsCard") -> dict[str, Any]:
    """A card, JSON-ready, with whether its weights are on this machine."""
    from glance3d.models.weights.fetch import find_weights

    accuracy = card.pose_accuracy
    path = find_weights(card)
    return {
        "name": card.name,
        "source": card.source,
        "filename": card.filename,
        "licence": card.licence,
        "licence_source": card.licence_source,
        "commercial": card.commercial,
        "commercial_use": card.commercial == "yes",
        "gated": card.gated,
        "num_parameters": card.num_parameters,
        "size_bytes": card.size_bytes,
        "sha256": card.sha256,
        "revision": card.revision,
        "preprocessing": card.preprocessing.mode,
        "good_at": sorted(card.good_at),
        "scale": card.convention.scale,
        "world": card.convention.world,
        "pose_auc30": None if accuracy is None else dict(accuracy.auc30),
        "pose_auc30_mean": None if accuracy is None else round(accuracy.mean, 1),
        "pose_auc30_source": None if accuracy is None else accuracy.source,
        "available_offline": path is not None,
        "path": None if path is None else str(path),
        "note": card.summary,
    }


def table(cards: "Sequence[WeightsCard]") -> list[str]:
    """One line a model."""
    head = ("name", "commercial", "params", "size", "poses", "here", "good at")
    rows = [head, *map(_row, cards)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_aligned, row, widths, "<<>>><<")).rstrip() for row in rows]


def _row(card: "WeightsCard") -> tuple[str, ...]:
    from glance3d.models.weights.fetch import find_weights

    # Weights are published as float32: four bytes a parameter where no size is recorded.
    size = _size(card.size_bytes) if card.size_bytes else f"~{_size(4 * card.num_parameters)}"
    return (
        card.name,
        card.commercial,
        f"{card.num_parameters / 1e6:.0f} M",
        size,
        "-" if card.pose_accuracy is None else f"{card.pose_accuracy.mean:.1f}",
        "no" if find_weights(card) is None else "yes",
        " ".join(sorted(card.good_at)) or "-",
    )


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"


def _aligned(text: str, width: int, side: str) -> str:
    return f"{text:{side}{width}}"


def explanations(cards: "Sequence[WeightsCard]") -> list[str]:
    """Licences and notes, and what the columns mean."""
    notes = [
        f"{card.name}: {card.licence} ({card.licence_source}). {card.summary}" for card in cards
    ]
    sources = dict.fromkeys(
        card.pose_accuracy.source.split(" (of ")[0] for card in cards if card.pose_accuracy
    )
    columns = [
        f"poses: published pose AUC@30 in percent, mean over photo sets ({'; '.join(sources)}).",
        "here: on this machine; the others are fetched when first used, or by glance3d models "
        "--fetch NAME. good at: what is used without being asked.",
    ]
    return [
        line
        for text in [*notes, "", *columns]
        for line in textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False)
        or [""]
    ]
