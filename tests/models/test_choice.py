"""Which model: "auto", and the free one that is recommended."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from glance3d.errors import InputError
from glance3d.models import ModelSource, build_model, load_model
from glance3d.models.config import tiny
from glance3d.models.weights import choice
from glance3d.models.weights.cards import CARDS
from glance3d.models.weights.choice import best_on_this_machine, better_free_model, how_to_use
from glance3d.models.weights.commercial import VARIABLE
from glance3d.models.weights.files import save_weights
from glance3d.models.weights.weights_card import PoseAccuracy, WeightsCard
from glance3d.reporting.making import describe_model


def card(name: str, auc30: float, **changes) -> WeightsCard:
    accuracy = PoseAccuracy({"a set": auc30}, "a paper")
    return replace(
        CARDS["vggt-1b"],
        name=name,
        build_config=lambda: replace(tiny(), name=name),
        source=f"someone/{name}",
        pose_accuracy=accuracy,
        **{"commercial": "yes", "num_parameters": 10, **changes},
    )


@pytest.fixture
def on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Known: glance-small and five invented models; the files of those that are on this machine."""
    monkeypatch.delenv(VARIABLE, raising=False)
    invented = [
        card("light", 60.0, num_parameters=1),
        card("heavy", 80.0, num_parameters=100),
        card("gated", 90.0, gated=True),
        card("unclear", 95.0, commercial="disputed"),
        card("closed", 99.0, commercial="no"),
    ]
    known = {"glance-small": CARDS["glance-small"]} | {one.name: one for one in invented}
    for name in set(CARDS) - set(known):
        monkeypatch.delitem(CARDS, name)
    for name, one in known.items():
        monkeypatch.setitem(CARDS, name, one)
    files: dict[str, Path] = {}

    def find(one: WeightsCard) -> Path | None:
        return one.embedded_path if one.is_embedded else files.get(one.name)

    monkeypatch.setattr(choice, "find_weights", find)
    return files


def test_the_best_on_this_machine_is_taken(on_disk: dict[str, Path]) -> None:
    def best(**arguments) -> str:
        return best_on_this_machine(**arguments).card.name

    assert best() == "glance-small"
    assert best_on_this_machine().reason == "the only model on this machine"
    on_disk["heavy"] = on_disk["light"] = Path("x")
    assert best() == "heavy"
    reason = best_on_this_machine().reason
    assert reason == (
        "the best of 3 models on this machine, by its published pose AUC@30 of 80.0; the others: "
        "glance-small, light"
    )
    on_disk["closed"] = on_disk["unclear"] = Path("x")
    assert best() == "closed"
    assert best(commercial_only=True) == "heavy"
    assert "may be used commercially" in best_on_this_machine(commercial_only=True).reason


def test_the_environment_is_respected(
    on_disk: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk["closed"] = Path("x")
    monkeypatch.setenv(VARIABLE, "1")
    assert ModelSource("auto").network_name == "glance-small"


def test_auto_says_in_log_and_report_what_it_took(
    on_disk: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = build_model(replace(tiny(), name="light"))
    save_weights(model, tmp_path / "light.safetensors", model.config)
    on_disk["light"] = tmp_path / "light.safetensors"
    monkeypatch.setattr("glance3d.models.weights.fetch.find_weights", choice.find_weights)
    with caplog.at_level(logging.INFO, "glance3d"):
        loaded = load_model("auto", device="cpu")
    assert loaded.weights_path == on_disk["light"]
    assert "model auto: light, the best of 2 models on this machine" in caplog.text
    assert "best of 2" in (describe_model(loaded).choice or "")
    assert describe_model(load_model("light", device="cpu")).choice is None


def test_auto_has_no_weights_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"got .*x.safetensors for 'auto': name it"):
        ModelSource("auto", tmp_path / "x.safetensors")


def test_a_free_model_that_is_better_is_recommended(on_disk: dict[str, Path]) -> None:
    def better(name: str) -> str | None:
        found = better_free_model(CARDS[name])
        return found and found.name

    assert better("glance-small") == "light"  # the smallest download
    assert better("light") == "heavy"
    assert better("heavy") is None  # what is better is gated, unclear, or closed
    assert better_free_model(None) is None
    assert how_to_use(CARDS["light"]) == (
        "glance3d models --fetch light, then glance3d reconstruct ... --model light"
    )
    on_disk["heavy"] = Path("x")
    assert better("glance-small") == "heavy"
    assert how_to_use(CARDS["heavy"]) == "glance3d reconstruct ... --model heavy"
