"""``glance3d models``."""

import json

import pytest

from glance3d.cli import main, models
from glance3d.models import WeightsCard, list_cards


def test_every_card_is_listed_with_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines[1:] if line}
    assert max(map(len, lines)) <= models.WIDTH
    for card in list_cards():
        assert rows[card.name][1] == card.commercial
        assert card.licence in "\n".join(lines)
        assert card.licence_source in "\n".join(lines)


def test_sizes_that_nobody_recorded_are_marked() -> None:
    def row(card: WeightsCard) -> str:
        return models.table([card])[1]

    cards = {card.name: card for card in list_cards()}
    assert " 29 MB " in row(cards["glance-small"])
    assert " ~5.0 GB " in row(cards["vggt-1b"])
    assert " 137 MB " in row(cards["da3-small"])


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = {card["name"]: card for card in json.loads(capsys.readouterr().out)}
    assert set(listed) == {card.name for card in list_cards()}
    large = listed["vggt-1b"]
    assert large["commercial_use"] is False
    assert large["commercial"] == "no"
    assert large["num_parameters"] > 1.2e9
    assert large["size_bytes"] is None
    assert large["good_at"] == ["depth", "poses", "tracks"]
    assert large["pose_auc30"]["ETH3D"] == 80.8
    assert isinstance(large["available_offline"], bool)


def test_an_embedded_model_is_there_already(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--fetch", "glance-small"]) == 0
    assert "glance-small is on this machine, verified: " in capsys.readouterr().out
    assert main(["models", "--fetch", "glance-small", "--json"]) == 0
    (card,) = json.loads(capsys.readouterr().out)
    assert card["name"] == "glance-small"
    assert card["path"].endswith("glance-small.safetensors")


def test_an_unknown_model_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--fetch", "glanze"]) == 1
    assert "unknown model 'glanze'" in capsys.readouterr().err
