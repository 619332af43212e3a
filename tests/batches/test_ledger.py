"""Events that are created once: claims, outcomes and losses happen to one worker alone."""

import threading
from pathlib import Path

import pytest

from glance3d.batches.ledger.owners import Heart, Owner, Watch
from glance3d.batches.ledger.records import MOST_ATTEMPTS, Event, SceneState
from tests.batches.ledgers import LEASE, Clock, Worker, of_this_process, owner


def test_states_follow_from_events() -> None:
    state = SceneState()
    assert state.name == "pending"
    state = state.after(Event("claimed"))
    assert state.name == "running"
    assert state.after(Event("void")).name == "running"
    assert state.after(Event("released")).name == "pending"
    state = state.after(Event("failed", reason="a"))
    assert state.name == "failed"
    assert state.after(Event("claimed")).after(Event("done")).name == "done"
    state = state.after(Event("claimed")).after(Event("lost", reason="b"))
    state = state.after(Event("claimed")).after(Event("failed", reason="c"))
    assert state.name == "set aside"
    assert [one.reason for one in state.attempts] == ["a", "b", "c"]
    assert len(state.attempts) == MOST_ATTEMPTS
    assert state.after(Event("retried")).name == "pending"


@pytest.mark.parametrize("result", [{"options": [1]}, {"verdicts": "good"}])
def test_a_result_of_another_shape_is_no_event(result: dict) -> None:
    with pytest.raises(ValueError, match="must be objects"):
        Event("done", result=result)


def test_of_many_who_claim_one_does(tmp_path: Path) -> None:
    workers = [Worker(tmp_path, f"w{index}") for index in range(8)]
    start, got = threading.Barrier(len(workers)), []

    def claim(worker: Worker) -> None:
        start.wait()
        got.append(worker.claim("castle"))

    threads = [threading.Thread(target=claim, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]
    holders = set()
    for worker in workers:
        worker.ledger.refresh()
        last = worker.ledger.state("castle").last
        assert last is not None
        holders.add(last.owner.id)
    assert len(holders) == 1
    assert [path.name for path in workers[0].ledger.events.iterdir()] == ["castle.0001.json"]


def test_a_worker_whose_heart_stands_still_is_lost_and_one_says_so(tmp_path: Path) -> None:
    clock = Clock()
    dead = Worker(tmp_path, "dead", clock=clock)
    dead.beat("1")
    assert dead.claim("castle")
    watch = Watch(dead.ledger.beats, LEASE, clock)
    assert not watch.is_lost(dead.owner)  # whatever time it is: it was just seen first
    clock.now += LEASE - 1
    assert not watch.is_lost(dead.owner)
    dead.beat("2")
    clock.now += LEASE - 1
    assert not watch.is_lost(dead.owner)
    clock.now += LEASE
    assert watch.is_lost(dead.owner)
    others = [Worker(tmp_path, name) for name in ("b", "c")]
    said = [other.ledger.append("castle", 2, "lost", dead.owner) for other in others]
    assert said == [True, False]
    assert [other.claim("castle") for other in others] == [True, False]
    # The one that was taken for lost wakes up: its place is taken.
    assert not dead.ledger.append("castle", 2, "done", dead.owner)


def test_processes_of_this_machine_are_looked_at() -> None:
    this = Owner.this()
    if not this.machine:
        pytest.skip("processes cannot be looked at here")
    assert this.is_known_here
    assert not this.is_known_gone
    assert of_this_process(this.process, "1").is_known_gone  # another one had the number
    assert of_this_process(2**22 + 1, this.started).is_known_gone
    assert not owner("far away").is_known_gone
    assert not owner("far away").is_known_here


def test_a_heart_changes_its_file_and_leaves_nothing(tmp_path: Path) -> None:
    this = Owner.this()
    with Heart(tmp_path, this) as heart:
        before = (tmp_path / this.id).read_bytes()
        heart.beat()
        assert (tmp_path / this.id).read_bytes() != before
    assert list(tmp_path.iterdir()) == []


def test_hearts_of_workers_that_are_gone_are_swept(tmp_path: Path) -> None:
    """Also of one that was killed between two scenes, whom nobody finds lost at one."""
    this = Owner.this()
    if not this.machine:
        pytest.skip("processes cannot be looked at here")
    gone = of_this_process(this.process, "1")
    for one in (this, gone, owner("far away")):
        Heart(tmp_path, one).beat()
    (tmp_path / "torn").write_bytes(b"3\n")
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    assert (tmp_path / gone.id).is_file()
    Watch(tmp_path).sweep()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {this.id, owner("far away").id, "torn", "noise"}


def test_a_torn_event_is_waited_for_and_then_passed_over(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.ledger.path("castle", 1).write_text("")
    worker.ledger.refresh()
    assert not worker.claim("castle")
    worker.clock.now += LEASE
    worker.ledger.refresh()
    assert worker.ledger.state("castle").number == 1
    assert worker.claim("castle")


def test_names_that_look_like_events_are_told_apart(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    assert worker.claim("a")
    assert worker.claim("a.0001.json")
    fresh = Worker(tmp_path)
    assert fresh.ledger.names() == ["a", "a.0001.json"]
