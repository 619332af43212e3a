"""A process that ends at any moment leaves the earlier result or the new one."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from glance3d.errors import OutputError
from glance3d.results import MANIFEST_FILE, open_result, settle
from glance3d.results.lock import LOCK_FILE
from tests.results.folders import NEW, OLD, content, write_files, write_result

_EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class _Killed(BaseException):
    """Raised at one step on disk and at every one after it, so that nothing is cleaned up."""


_steps_left: list[int] = []


def _count(event: str, values: tuple) -> None:
    if _steps_left and event in _EVENTS:
        _steps_left[0] -= 1
        if _steps_left[0] < 0:
            raise _Killed


sys.addaudithook(_count)  # for ever, and idle unless a step is given


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Do the work, and nothing on disk from this step on; whether it came to that."""
    _steps_left.append(step)
    try:
        work()
    except _Killed:
        return True
    finally:
        _steps_left.clear()
    return False


def hidden_below(root: Path) -> set[str]:
    return {path.name for path in root.rglob(".*")}


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.long
def test_killed_at_every_step(tmp_path, reads):
    seen, step, killed = set(), 0, True
    before, mine = tmp_path / "before", {"mine": "mine", "depth/mine": "mine"}
    write_result(before, OLD)
    write_files(before, mine)
    while killed:
        step += 1
        root = tmp_path / str(step)
        shutil.copytree(before, root)
        killed = killed_at(step, lambda root=root: write_result(root, NEW))
        if reads:
            settle(root)
            remaining = {n: text for n, text in content(root).items() if not n.startswith(".")}
        else:
            with open_result(root):
                remaining = {n: text for n, text in content(root).items() if n != LOCK_FILE}
            assert hidden_below(root) == {MANIFEST_FILE}
        assert remaining in (OLD | mine, NEW | mine), step
        seen.add(remaining["scene.npz"])
        write_result(root, NEW)
        assert content(root) == NEW | mine
    assert seen == {"old scene", "new scene"}
    assert step > 30


def test_killed_while_it_is_finished(tmp_path):
    """The one who finishes a move may be killed as well."""
    root, first, step, killed = tmp_path / "root", 0, -1, True
    while killed:
        write_result(root, OLD)
        while '"moving"' not in (root / MANIFEST_FILE).read_text():
            first += 1
            assert killed_at(first, lambda: write_result(root, NEW))
        step += 1
        killed = killed_at(step, lambda: settle(root))
        settle(root)
        with open_result(root):
            pass
        assert content(root) == NEW
        first -= 1
    assert step > 10


@needs_fork
def test_the_second_run_is_refused_while_the_first_lives(tmp_path):
    held, answer = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with open_result(tmp_path / "out"):
                os.write(held[1], b"held")
                os.read(answer[0], 1)
                os._exit(0)  # without giving the lock back
        finally:
            os._exit(1)
    assert os.read(held[0], 4) == b"held"
    with pytest.raises(OutputError, match=rf"another run \(process {child} on .* is writing"):
        write_result(tmp_path / "out", NEW)
    os.write(answer[1], b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    write_result(tmp_path / "out", NEW)
    assert content(tmp_path / "out") == NEW
    assert not (tmp_path / "out" / LOCK_FILE).exists()


@needs_fork
def test_a_child_that_lives_on_does_not_hold_the_folder(tmp_path):
    held, answer = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with open_result(tmp_path):
                grandchild = os.fork()
                if grandchild == 0:  # as a worker of a data loader whose trainer was killed
                    os.read(answer[0], 1)
                    os._exit(0)
                os.write(held[1], b"held")
                os._exit(0)
        finally:
            os._exit(1)
    assert os.read(held[0], 4) == b"held"
    os.waitpid(child, 0)
    write_result(tmp_path, NEW)
    os.write(answer[1], b"x")


def test_temporaries_of_the_dead_go_and_those_of_others_stay(tmp_path):
    write_result(tmp_path, OLD)
    dead = [".tmp-0123456789ab.pt", "depth/.tmp-0123456789ab.png", ".tmp-9-abcdef-0123456789ab"]
    theirs = [".tmp-notes", ".tmp-0123456789ab-more", "photos/.tmp-0123456789ab.png"]
    theirs += [".glance3d-staging-mine/note"]
    write_files(tmp_path, dict.fromkeys([*dead, *theirs], "x"))
    write_files(tmp_path, {".glance3d-staging-0123456789ab/scene.npz": "half"})
    write_result(tmp_path, NEW)
    assert content(tmp_path) == NEW | dict.fromkeys(theirs, "x")
