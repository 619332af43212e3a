"""Whole commands that share a folder, one of them killed; a real local Ray, one of its two lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glance3d.batches.ledger.event_folder import Ledger
from glance3d.batches.resume import is_there
from tests.conftest import PATIENCE

NAMES = [f"scene {index}" for index in range(4)]
pytestmark = pytest.mark.long


@pytest.fixture
def listed(photos: Path, tmp_path: Path) -> Path:
    path = tmp_path / "scenes.jsonl"
    path.write_text("\n".join(json.dumps({"name": n, "photos": "photos"}) for n in NAMES))
    return path


def _start(listed: Path, weights: Path, *words: str) -> subprocess.Popen:
    tail = ["--model", str(weights), "--device", "cpu", "--max-pixels", "4704"]
    command = [sys.executable, "-m", "glance3d", "batch", str(listed)]
    out = ["--out", str(listed.parent / "out")]
    return subprocess.Popen(
        [*command, *out, *tail, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _until(condition) -> None:
    for _ in range(PATIENCE * 10):
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError


def _owners(out: Path, kind: str) -> dict[str, list[str]]:
    """Whose events of a kind there are, scene by scene."""
    owners: dict[str, list[str]] = {name: [] for name in NAMES}
    for path in sorted((out / ".glance3d-batch" / "events").iterdir()):
        event = json.loads(path.read_text())
        if event["kind"] == kind:
            owners[path.name.rsplit(".", 2)[0]].append(event["owner"]["id"])
    return owners


def _check_all_done(out: Path, code: int | None) -> None:
    assert code == 0
    summary = json.loads((out / "batch.json").read_text())
    assert [scene["state"] for scene in summary["scenes"]] == ["done"] * len(NAMES)
    assert all(is_there(out / name) for name in NAMES)
    assert all(len(owners) == 1 for owners in _owners(out, "done").values())
    assert not list((out / ".glance3d-batch" / "beats").iterdir())
    assert not [path for path in out.rglob(".*") if "staging" in path.name or "tmp" in path.name]


@pytest.mark.skipif(os.name == "nt", reason="signals of another system")
def test_the_scene_of_a_killed_worker_goes_to_another(listed: Path, tiny_weights: Path) -> None:
    out = listed.parent / "out"
    killed = _start(listed, tiny_weights, "--worker")
    events = out / ".glance3d-batch" / "events"
    _until(lambda: killed.poll() is not None or (events.is_dir() and any(events.iterdir())))
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    workers = [_start(listed, tiny_weights, "--worker") for _ in range(2)]
    for worker in workers:
        stdout, stderr = worker.communicate()
        assert "4 of 4 scenes are done" in stdout, stderr
    _check_all_done(out, workers[-1].returncode)
    assert sum(map(len, _owners(out, "lost").values())) <= 1


@pytest.mark.skipif(os.name == "nt", reason="signals of another system")
def test_sigterm_gives_the_scene_back(listed: Path, tiny_weights: Path) -> None:
    out = listed.parent / "out"
    stopped = _start(listed, tiny_weights)
    events = out / ".glance3d-batch" / "events"
    _until(lambda: stopped.poll() is not None or (events.is_dir() and any(events.iterdir())))
    stopped.terminate()
    stderr = stopped.communicate()[1]
    assert stopped.returncode == 128 + signal.SIGTERM, stderr
    assert not list((out / ".glance3d-batch" / "beats").iterdir())
    ledger = Ledger(out)
    ledger.open()
    assert {ledger.state(name).name for name in NAMES} <= {"pending", "done"}
    again = _start(listed, tiny_weights)
    again.communicate()
    _check_all_done(out, again.returncode)


def test_a_lost_worker_of_ray_is_replaced(
    listed: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed")
    from glance3d.batches import batch
    from glance3d.batches.workers import ray_pool
    from glance3d.images import InputOptions
    from glance3d.pipeline import SceneRecipe

    out, killed = listed.parent / "out", []
    start = ray_pool.RayPool.start

    def start_and_kill_one(pool: ray_pool.RayPool, task) -> None:
        if not killed:
            killed.append(task.scene.name)
            actor = pool._free[-1]
            start(pool, task)
            ray.kill(actor)
        else:
            start(pool, task)

    monkeypatch.setattr(ray_pool.RayPool, "start", start_and_kill_one)
    recipe = SceneRecipe(inputs=InputOptions({"max_pixels": 4704}))
    summary = batch(
        listed, out, model=tiny_weights, device="cpu", recipe=recipe, ray="local", num_workers=2
    )
    _check_all_done(out, 0 if summary.count("done") == len(NAMES) else 1)
    assert killed
    failures = {scene.name: scene.attempts for scene in summary.scenes if scene.attempts}
    assert list(failures) == killed
    assert "worker on the cluster was lost" in failures[killed[0]][0].reason
