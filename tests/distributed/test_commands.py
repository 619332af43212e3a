"""``glance3d`` in several processes."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from glance3d.cli import main
from glance3d.cli.terminal.ranks import refuse_ranks
from glance3d.errors import InputError
from tests.distributed.processes import Command, environment

SMALL = ["--max-pixels", "4704", "--device", "cpu"]


def words_of(photos: Path, weights: Path, out: Path) -> list[str]:
    return ["reconstruct", str(photos), "--model", str(weights), "--out", str(out), *SMALL]


def read_scene(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "scene.npz") as file:
        return {name: file[name] for name in file.files if file[name].dtype.kind == "f"}


def test_ranks_write_what_one_process_writes(
    tiny_weights: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words_of(photos, tiny_weights, tmp_path / "one")) == 0
    capsys.readouterr()
    words = words_of(photos, tiny_weights, tmp_path / "two")
    (code, said, log), *others = Command(2, words, tmp_path / "said").ends()
    assert code == 0, log
    assert said.startswith("reconstructed 3 photos")
    assert others == [(0, "", "")]
    alone, shared = read_scene(tmp_path / "one"), read_scene(tmp_path / "two")
    assert alone.keys() == shared.keys()
    for name, values in alone.items():
        np.testing.assert_allclose(shared[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    machine = json.loads((tmp_path / "two" / "report.json").read_text())["machine"]
    assert (machine["ranks"], machine["keys_of_ranks"]) == (2, "gathered")


@pytest.mark.long
def test_windows_by_a_ring(tiny_weights: Path, photos: Path, tmp_path: Path) -> None:
    extra = ["--window", "2", "--overlap", "1", "--keys", "ring"]
    assert main([*words_of(photos, tiny_weights, tmp_path / "one"), *extra]) == 0
    words = [*words_of(photos, tiny_weights, tmp_path / "three"), *extra]
    (code, _, log), *others = Command(3, words, tmp_path / "said").ends()
    assert code == 0, log
    assert others == [(0, "", "")] * 2
    alone, shared = read_scene(tmp_path / "one"), read_scene(tmp_path / "three")
    np.testing.assert_allclose(shared["depth"], alone["depth"], rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_a_refusal_is_said_once(tiny_weights: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scene.npz").write_text("mine")
    words = words_of(photos, tiny_weights, tmp_path / "out")
    first, second = Command(2, words, tmp_path / "said").ends()
    assert first[0] == 1
    assert "scene.npz" in first[2]
    assert first[2].count("glance3d: ") == 1
    assert second == (1, "", "")
    assert (tmp_path / "out" / "scene.npz").read_text() == "mine"
    first, second = Command(2, ["reconstruct", str(tmp_path / "none")], tmp_path / "parse").ends()
    assert first[0] == second[0] == 2
    assert "--out" in first[2]
    assert second == (2, "", "")


def kill_second(rank: int) -> None:
    """When it would show the network its share."""
    if rank == 1:
        from glance3d import prediction

        def die(*_: object, **__: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        prediction.run_as_planned = die


@pytest.mark.long
def test_a_killed_rank_ends_the_others_and_leaves_nothing(
    tiny_weights: Path, photos: Path, tmp_path: Path
) -> None:
    words = words_of(photos, tiny_weights, tmp_path / "out")
    command = Command(3, words, tmp_path / "said", kill_second)
    first, killed, last = command.ends()
    assert killed[0] == -signal.SIGKILL
    for code, said, log in (first, last):
        assert code == 1
        assert said == ""
        assert "glance3d: rank 1 of 3 ended: it was killed" in log
        assert log.count("glance3d: ") == 1
        assert "Traceback" not in log
    assert not (tmp_path / "out" / "scene.npz").exists()


def test_a_command_for_one_process_refuses_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(1, 2, 1).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="refine is the work of one process, got 2"):
        refuse_ranks("refine")
    refuse_ranks("batch")
    refuse_ranks("reconstruct")
