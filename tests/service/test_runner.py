"""Jobs in processes of their own: cancelled at any moment, contained in their ends, begun again."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from glance3d.errors import ImageError
from glance3d.progress import Progress
from glance3d.service.jobs.limits import Limits
from glance3d.service.jobs.records import JobSettings
from glance3d.service.jobs.store import RESULT
from glance3d.service.running.make import refuse_large_photos
from glance3d.service.running.stages import StageProgress
from tests.service.jobs import (
    acting_runner,
    add_job,
    opened_store,
    wait_for,
    wait_until_begun,
)


@pytest.fixture
def store(tmp_path):
    store = opened_store(tmp_path / "jobs")
    yield store
    store.close()


@pytest.fixture
def runner(store):
    runner = acting_runner(store)
    yield runner
    runner.close()


def test_jobs_are_made_one_after_the_other(store, runner):
    jobs = [add_job(store, "a.png") for _ in range(3)]
    ended = [wait_for(store, job, "done", "failed") for job in jobs]
    assert [job.state for job in ended] == ["done"] * 3
    assert ended[0].result["photos"] == 2
    assert all(a.ended <= b.began for a, b in pairwise(ended))


def test_a_crash_is_told_and_the_next_job_is_made(store, runner):
    crashing, next_one = add_job(store, "crash.png"), add_job(store, "a.png")
    crashed = wait_for(store, crashing, "failed", "done")
    assert "SIGABRT" in crashed.reason or "exit code" in crashed.reason
    assert not (store.folder(crashing.id) / RESULT).exists()
    assert wait_for(store, next_one, "done", "failed").state == "done"


def test_a_refusal_is_the_reason(store, runner):
    job = wait_for(store, add_job(store, "refused.png"), "failed", "done")
    assert job.reason == "photos must be sharp, got fog: wait for the sun"


def test_cancelling_ends_the_process_and_what_it_began(store, runner):
    job, waiting = add_job(store, "slow.png"), add_job(store, "slow.png")
    assert runner.cancel(waiting.id).state == "cancelled"
    wait_until_begun(store, job)
    assert runner.process_id(job.id) is not None
    assert runner.cancel(job.id).state == "cancelled"
    assert runner.process_id(job.id) is None
    assert not (store.folder(job.id) / RESULT).exists()
    assert runner.cancel(job.id).state == "cancelled"


def test_a_job_that_runs_when_the_server_ends_is_begun_again(tmp_path):
    store = opened_store(tmp_path)
    runner = acting_runner(store)
    job = add_job(store, "slow.png")
    wait_until_begun(store, job)
    runner.close()
    store.close()
    again = opened_store(tmp_path)
    assert (again.job(job.id).state, again.job(job.id).attempts) == ("queued", 0)
    (again.folder(job.id) / "inputs" / "hurry").touch()
    runner = acting_runner(again)
    try:
        assert wait_for(again, job, "done", "failed").state == "done"
    finally:
        runner.close()


def test_a_job_that_ended_the_server_three_times_is_not_begun_a_fourth(store):
    job = add_job(store, "a.png")
    store.change(job.id, attempts=3)
    runner = acting_runner(store)
    assert "the server ended 3 times" in wait_for(store, job, "done", "failed").reason
    runner.close()


def test_a_model_that_is_gone_is_named(store, runner):
    job = add_job(store, "a.png", settings=JobSettings(model="vggt-9"))
    assert "no model 'vggt-9'" in wait_for(store, job, "done", "failed").reason


def test_shares_never_fall_and_end_at_one():
    stages, shares = StageProgress(refine=True), []
    told = ["unpack", "load_model", "load_images", "predict", "to_scene", "register", "densify"]
    for name in told:
        shares.append(stages.after(Progress(name, is_stage=True)).share)
        shares.append(stages.after(Progress("network", 1, 2)).share)
    shares.append(stages.after(Progress("writing", 0, 10)).share)
    last = stages.after(Progress("writing", 10, 10))
    assert shares == sorted(shares)
    assert last.share == 1
    assert (last.stage, last.done, last.total) == ("write", 10, 10)


def test_photos_of_too_many_pixels_are_refused_by_their_headers(tmp_path):
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no photo, which others say")
    refuse_large_photos([tmp_path], Limits(photo_pixels=2000))
    with pytest.raises(ImageError, match=r"a\.png is 50x40 pixels"):
        refuse_large_photos([tmp_path], Limits(photo_pixels=1999))
