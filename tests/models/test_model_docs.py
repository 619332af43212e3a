"""docs/models.md says of every model what its card says."""

from pathlib import Path

import pytest

from glance3d.models import WeightsCard, list_cards

DOCS = Path(__file__).parents[2] / "docs" / "models.md"
CARDS = {card.name: card for card in list_cards()}


def rows(first_heading: str) -> dict[str, list[str]]:
    """The cells of the table after a heading's row that begins so, by model."""
    lines = iter(DOCS.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith(f"| {first_heading} |"):
            break
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found[name.strip("`")] = cells
    found.pop("---", None)
    return found


def size(card: WeightsCard) -> str:
    return "not recorded" if card.size_bytes is None else f"{card.size_bytes / 1e6:.0f} MB"


@pytest.mark.parametrize("name", CARDS)
def test_licence_size_and_strengths_are_the_cards(name: str) -> None:
    card = CARDS[name]
    commercial, licence, parameters, stated_size, good_at = rows("model | commercial use")[name]
    assert commercial.split(",")[0] == card.commercial
    assert card.licence in licence or licence.startswith("its own")
    assert card.licence_source in licence or "LICENSE" in licence
    assert parameters == f"{card.num_parameters / 1e6:,.1f} M"
    assert stated_size == size(card)
    assert good_at == ", ".join(sorted(card.good_at))


def test_every_model_is_there() -> None:
    assert set(rows("model | commercial use")) == set(CARDS)


def test_published_accuracies_are_the_cards() -> None:
    published = rows("model | HiRoom")
    for name, cells in published.items():
        accuracy = CARDS[name].pose_accuracy
        assert accuracy is not None
        assert [float(cell) for cell in cells[:-1]] == list(accuracy.auc30.values())
        assert float(cells[-1]) == round(accuracy.mean, 1)
    unpublished = {"glance-small", "vggt-1b-commercial", "da3-large-1.1"}
    assert set(CARDS) - set(published) == unpublished
