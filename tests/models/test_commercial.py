"""Weights that may not be used commercially are refused where that is asked for."""

from dataclasses import replace
from pathlib import Path

import pytest

from glance3d.cli import main
from glance3d.errors import WeightsError
from glance3d.models import ModelSource, build_model, load_model
from glance3d.models.config import tiny
from glance3d.models.weights.cards import CARDS
from glance3d.models.weights.commercial import VARIABLE, is_commercial_only
from glance3d.models.weights.files import save_weights


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    model = build_model(tiny())
    save_weights(model, tmp_path / "own.safetensors", model.config)
    return tmp_path / "own.safetensors"


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("yes", True), ("", False), ("0", False), (" 0 ", False)]
)
def test_the_variable_is_on_unless_it_says_off(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: bool
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert is_commercial_only() is expected
    assert is_commercial_only(True)


@pytest.mark.parametrize("by_variable", [False, True], ids=["argument", "variable"])
@pytest.mark.parametrize("commercial", ["no", "disputed", "yes"])
def test_only_yes_is_yes(monkeypatch: pytest.MonkeyPatch, commercial, by_variable: bool) -> None:
    card = replace(CARDS["vggt-1b"], name="tiny", build_config=tiny, commercial=commercial)
    monkeypatch.setitem(CARDS, "tiny", card)
    if by_variable:
        monkeypatch.setenv(VARIABLE, "1")
    arguments = {} if by_variable else {"commercial_only": True}
    if commercial == "yes":
        assert ModelSource("tiny", **arguments).network_name == "tiny"
        return
    with pytest.raises(WeightsError, match=r"got tiny, .*choose from glance-small") as caught:
        ModelSource("tiny", **arguments)
    assert card.licence in str(caught.value)
    assert ("disputed" in str(caught.value)) is (commercial == "disputed")
    with pytest.raises(WeightsError, match="must allow commercial use"):
        load_model("tiny", **arguments)


def test_files_of_unknown_licence_are_refused(own_file: Path) -> None:
    assert ModelSource(own_file).network_name == "tiny"
    with pytest.raises(WeightsError, match=r"own.safetensors, whose licence is not known.*yours"):
        ModelSource(own_file, commercial_only=True)


def test_a_loaded_network_is_asked_for_its_card(own_file: Path) -> None:
    small = load_model("glance-small", commercial_only=True)
    assert ModelSource(small, commercial_only=True).load() is small
    with pytest.raises(WeightsError, match="licence is not known"):
        ModelSource(load_model(own_file), commercial_only=True)


@pytest.mark.parametrize(
    "words",
    [
        ["reconstruct", "photos", "--out", "scene"],
        ["track", "photos", "--grid", "3", "--out", "tracks"],
        ["evaluate", "photos"],
    ],
)
def test_every_command_has_the_flag(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert main([*words, "--model", "vggt-1b", "--commercial-only"]) == 1
    assert "got vggt-1b, whose licence (CC-BY-NC-4.0" in capsys.readouterr().err


def test_fetching_heeds_the_variable(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    assert main(["models", "--fetch", "vggt-1b"]) == 1
    assert "must allow commercial use" in capsys.readouterr().err
