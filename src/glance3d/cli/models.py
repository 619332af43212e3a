"""``glance3d models``: what can be loaded by name, and what may be done with it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glance3d.cli.options.flag import Flag
from glance3d.files.atomic import to_json_text

if TYPE_CHECKING:
    from glance3d.models import WeightsCard


@dataclass(frozen=True)
class Options:
    """List the known models: source, licence of the weights, commercial use, size."""

    json: Flag = False
    """Print JSON."""


def run(options: Options) -> None:
    """Print one card after the other."""
    from glance3d.models import list_cards

    described = [describe(card) for card in list_cards()]
    if options.json:
        print(to_json_text(described, indent=1))
    else:
        print("\n\n".join(_as_text(card) for card in described))


def describe(card: "WeightsCard") -> dict[str, Any]:
    """A card, JSON-ready, with whether its weights are on this machine."""
    return {
        "name": card.name,
        "source": card.source,
        "licence": card.licence,
        "commercial_use": card.commercial_use,
        "num_parameters": card.num_parameters,
        "size_bytes": card.size_bytes,
        "preprocessing": card.preprocessing.mode,
        "available_offline": is_on_this_machine(card),
        "note": card.summary,
    }


def is_on_this_machine(card: "WeightsCard") -> bool:
    """Whether the weights load without a network: they are in the package or in the hub's cache."""
    if card.source == "embedded":
        return card.embedded_path is not None
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(card.source, card.filename), str)


def _as_text(card: dict[str, Any]) -> str:
    embedded = card["source"] == "embedded"
    available = "yes" if card["available_offline"] else "no, it is fetched when first used"
    rows = {
        "source": "in this package" if embedded else f"Hugging Face, {card['source']}",
        "licence": card["licence"],
        "commercial use": "allowed" if card["commercial_use"] else "not allowed",
        "parameters": f"{card['num_parameters'] / 1e6:,.1f} M, {card['size_bytes'] / 1e6:,.0f} MB",
        "on this machine": "no" if embedded and not card["available_offline"] else available,
    }
    lines = [card["name"], *(f"  {key:<16} {value}" for key, value in rows.items())]
    if card["note"]:
        lines.append(f"  {'note':<16} {card['note']}")
    return "\n".join(lines)
