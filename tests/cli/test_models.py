"""``glance3d models``."""

import json

import pytest

from glance3d.cli import main
from glance3d.models import list_cards


def test_every_card_is_listed_with_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    for card in list_cards():
        assert card.name in out
        assert card.licence in out
    assert "not allowed" in out  # VGGT-1B, commercially


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = {card["name"]: card for card in json.loads(capsys.readouterr().out)}
    assert set(listed) == {card.name for card in list_cards()}
    assert listed["vggt-1b"]["commercial_use"] is False
    assert listed["vggt-1b"]["num_parameters"] > 1.2e9
    assert isinstance(listed["vggt-1b"]["available_offline"], bool)
