"""The loop of a worker: what fails is tried again, what is done is left, nothing is done twice."""

import logging
from pathlib import Path

import pytest

from glance3d.batches.summary import BatchSummary
from glance3d.batches.workers.tasks import Outcome, SceneTask
from tests.batches.ledgers import LEASE, Clock, Worker, done, failed, scenes


def _fails_for(*names: str):
    return lambda task: failed(task) if task.scene.name in names else done(task)


def test_what_fails_three_times_is_set_aside_and_the_others_are_done(tmp_path: Path) -> None:
    worker = Worker(tmp_path, make=_fails_for("dark"))
    listed = scenes("dark", "castle", "church")
    worker.run(listed)
    assert worker.pool.made == ["dark", "castle", "church", "dark", "dark"]
    summary = BatchSummary.of([one.name for one in listed], worker.ledger, {})
    assert [one.state for one in summary.scenes] == ["set aside", "done", "done"]
    assert [one.reason for one in summary.set_aside[0].attempts] == ["it is dark"] * 3
    assert "it is dark" in "\n".join(summary.table())
    assert summary.table()[-1] == "2 of 3 scenes are done, 1 set aside"


def test_a_second_run_makes_only_what_is_left(tmp_path: Path) -> None:
    Worker(tmp_path).run(scenes("castle"))
    second = Worker(tmp_path, make=_fails_for("dark"))
    second.run(scenes("castle", "dark"))
    assert second.pool.made == ["dark"] * 3
    third = Worker(tmp_path)
    third.run(scenes("castle", "dark"))
    assert third.pool.made == []


def test_what_stops_a_worker_gives_its_claim_back_uncounted(tmp_path: Path) -> None:
    def stopped(task: SceneTask) -> Outcome:
        raise KeyboardInterrupt

    worker = Worker(tmp_path, make=stopped)
    with pytest.raises(KeyboardInterrupt):
        worker.run(scenes("castle"))
    assert worker.pool.is_closed
    fresh = Worker(tmp_path)
    state = fresh.ledger.state("castle")
    assert (state.name, state.attempts) == ("pending", ())
    fresh.run(scenes("castle"))
    assert fresh.ledger.state("castle").name == "done"


def test_two_workers_never_make_the_same_scene(tmp_path: Path) -> None:
    names = [f"s{index}" for index in range(6)]
    clock = Clock()
    other = Worker(tmp_path, "other", clock=clock)
    other.beat("0")

    def while_the_other_works(task: SceneTask) -> Outcome:
        other.ledger.refresh()
        other.beat(str(clock.now))
        free = next((n for n in names if other.ledger.state(n).is_free), None)
        if free is not None and other.claim(free):
            other.pool.made.append(free)
            number = other.ledger.state(free).number + 1
            assert other.ledger.append(free, number, "done", other.owner)
        return done(task)

    worker = Worker(tmp_path, "one", make=while_the_other_works, clock=clock)
    worker.run(scenes(*names))
    assert sorted(worker.pool.made + other.pool.made) == names
    assert other.pool.made


def test_a_lost_workers_scene_is_made_by_another_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dead = Worker(tmp_path, "dead")
    dead.beat("1")
    assert dead.claim("castle")
    caplog.set_level(logging.INFO, "glance3d")
    worker = Worker(tmp_path, "alive")
    worker.run(scenes("castle", "church"))
    assert worker.pool.made == ["church", "castle"]
    assert worker.clock.now >= LEASE
    assert list(worker.ledger.beats.iterdir()) == []
    assert "waiting for castle (process 7 on host of dead)" in caplog.text
    state = worker.ledger.state("castle")
    assert state.name == "done"
    assert "was lost" in state.attempts[0].reason


def test_what_a_worker_taken_for_lost_has_made_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Worker(tmp_path, "other")

    def asleep_too_long(task: SceneTask) -> Outcome:
        other.ledger.refresh()
        assert other.ledger.append(task.scene.name, task.number + 1, "lost", other.owner)
        assert other.claim(task.scene.name)
        assert other.ledger.append(task.scene.name, task.number + 3, "done", other.owner)
        return done(task)

    worker = Worker(tmp_path, make=asleep_too_long)
    worker.run(scenes("castle"))
    assert "another worker has taken over castle" in caplog.text
    last = worker.ledger.state("castle").last
    assert last is not None
    assert last.owner.id == "other"
