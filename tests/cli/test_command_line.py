"""The command that runs, shown with another model."""

import pytest

from glance3d.cli.terminal.command_line import running, with_model


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["my photos", "--out", "scene"], "'my photos' --out scene --model better"),
        (["p", "--model", "worse", "--out", "s"], "p --out s --model better"),
        (["p", "--model=worse", "--weights=f", "--refine"], "p --refine --model better"),
        (["p", "--weights", "f", "--model", "worse"], "p --model better"),
    ],
)
def test_the_model_is_exchanged(words: list[str], expected: str) -> None:
    with running("reconstruct", words):
        assert with_model("better") == f"glance3d reconstruct {expected}"
