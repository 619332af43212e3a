"""The process that makes scenes may end at any moment: the next scene gets a new one."""

import io
import os
import pickle
import queue
import signal
from pathlib import Path

import pytest

from glance3d.batches.resume import is_there
from glance3d.batches.scenes import BatchScene
from glance3d.batches.workers import child
from glance3d.batches.workers.messages import hand_on
from glance3d.batches.workers.process_pool import ProcessPool, describe_exit
from glance3d.batches.workers.tasks import Outcome, SceneTask
from glance3d.errors import BatchError
from glance3d.images import InputOptions
from glance3d.models import ModelSource
from glance3d.pipeline import SceneRecipe
from tests.conftest import PATIENCE

SMALL = SceneRecipe(inputs=InputOptions({"max_pixels": 4704}))
_POSIX = pytest.mark.skipif(os.name == "nt", reason="signals of another system")


def task_of(photos: Path, folder: Path, name: str = "castle") -> SceneTask:
    scene = BatchScene(name, (str(photos),), SMALL)
    return SceneTask(scene, folder / name, folder, 1, folder / f"{name}.log")


def _outcome(pool: ProcessPool) -> Outcome:
    (outcome,) = pool.wait(float(PATIENCE))
    return outcome


@_POSIX
@pytest.mark.long
def test_a_killed_process_costs_one_attempt_and_no_other_scene(
    tiny_weights: Path, photos: Path, tmp_path: Path
) -> None:
    pool = ProcessPool(ModelSource(tiny_weights, device="cpu"))
    try:
        pool.open()
        first = pool.process_id
        assert first is not None
        os.kill(first, signal.SIGSTOP)  # so that it cannot be done before it is killed
        pool.start(task_of(photos, tmp_path))
        os.kill(first, signal.SIGKILL)
        outcome = _outcome(pool)
        assert (outcome.kind, outcome.is_worker_gone) == ("failed", True)
        assert "SIGKILL; memory may have run out" in outcome.reason
        assert not (tmp_path / "castle").exists()

        pool.start(task_of(photos, tmp_path))
        outcome = _outcome(pool)
        assert (outcome.kind, outcome.result["photos"]) == ("done", 3)
        assert is_there(tmp_path / "castle")
        second = pool.process_id
        (tmp_path / "other.0002.json").write_text("{}")
        pool.start(task_of(photos, tmp_path, "other"))
        assert _outcome(pool).kind == "lost"  # the next event is another worker's
        assert not (tmp_path / "other").exists()
        assert pool.process_id == second != first
    finally:
        pool.close()
    assert pool.process_id is None


def test_a_network_that_cannot_be_loaded_ends_the_batch(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(tiny_weights.read_bytes())
    source = ModelSource(weights, device="cpu")
    weights.write_bytes(b"gone")
    tasks, answers = queue.SimpleQueue(), io.BytesIO()
    tasks.put(pickle.dumps(source))
    child.work(tasks, answers)
    answers.seek(0)
    hand_on(answers, received := queue.SimpleQueue())
    sentence = pickle.loads(received.get())
    assert "w.safetensors" in sentence

    pool = ProcessPool(source)
    monkeypatch.setattr(pool, "_ask_to_load", lambda: sentence)
    with pytest.raises(BatchError, match=r"w\.safetensors"):
        pool.open()
    assert pool.process_id is None


def test_ends_in_words() -> None:
    assert describe_exit(3) == "its process ended (exit code 3)"
    assert describe_exit(-11) == "its process was ended by SIGSEGV"
