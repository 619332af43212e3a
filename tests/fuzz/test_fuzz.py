"""Some seconds of ``python -m tests.fuzz``, and that it sees what it is there to see."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from glance3d.errors import SceneError
from tests.fuzz.campaign import ROOT, Campaign
from tests.fuzz.readers import READERS, Reader
from tests.fuzz.worker import outcome_of

_EXAMPLES = 8


@pytest.mark.parametrize("reader", READERS)
def test_what_is_whole_is_read(reader, tmp_path):
    for number, seed in enumerate(READERS[reader].seeds()):
        folder = tmp_path / str(number)
        for path, content in seed.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        READERS[reader].read(folder)


@pytest.mark.long
def test_what_is_damaged_is_read_or_refused():
    outcomes = list(Campaign(list(READERS), _EXAMPLES, seed=0).run())
    assert len(outcomes) == len(READERS) * _EXAMPLES
    assert [str(outcome) for outcome in outcomes if not outcome.is_good] == []
    assert {outcome.kind for outcome in outcomes} == {"result", "refused"}


def ends(read, tmp_path, monkeypatch):
    monkeypatch.setitem(READERS, "made up", Reader(lambda: (), read))
    return outcome_of("made up", tmp_path)


def test_what_must_not_be_is_seen(tmp_path, monkeypatch):
    def refuse(folder: Path) -> None:
        raise SceneError("one sentence")

    def raise_another(folder: Path) -> None:
        raise KeyError("names")

    def take_memory(folder: Path) -> None:
        bytes(2**36)

    def hide_lack_of_memory(folder: Path) -> None:
        try:
            bytes(2**36)
        except MemoryError as error:
            raise SceneError("does not fit") from error

    assert ends(lambda folder: None, tmp_path, monkeypatch) == ("result", "")
    assert ends(refuse, tmp_path, monkeypatch) == ("refused", "SceneError: one sentence")
    assert ends(raise_another, tmp_path, monkeypatch)[0] == "raised"
    assert ends(take_memory, tmp_path, monkeypatch)[0] == "memory"
    assert ends(hide_lack_of_memory, tmp_path, monkeypatch)[0] == "memory"


def test_what_never_ends_is_ended():
    endless = "from tests.fuzz.worker import bounded\nwith bounded(0):\n    while True: pass"
    done = subprocess.run([sys.executable, "-c", endless], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGXCPU
