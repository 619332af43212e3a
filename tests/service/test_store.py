"""Jobs on the disk: found again as they were, and no more of them than allowed."""

import json
import uuid

import pytest

from glance3d.errors import InputError, OutputError
from glance3d.service.jobs.limits import Limits
from glance3d.service.jobs.records import JobSettings
from glance3d.service.jobs.store import JobStore, NoRoomError, UnknownJobError
from tests.service.jobs import SETTINGS, add_job, opened_store


def test_jobs_are_found_again_in_their_order(tmp_path):
    store = opened_store(tmp_path)
    first, second = add_job(store, "a.png"), add_job(store, "b.png")
    store.begin(first.id)
    store.close()
    again = opened_store(tmp_path)
    assert [job.id for job in again.queue()] == [first.id, second.id]
    assert again.job(second.id) == second
    assert again.job(first.id).attempts == 1


def test_one_server_at_a_time_has_the_folder(tmp_path):
    store = opened_store(tmp_path)
    with pytest.raises(OutputError, match="wait until it is done"):
        JobStore(tmp_path).open()
    store.close()


def test_a_damaged_record_costs_no_other_job(tmp_path):
    store = opened_store(tmp_path)
    damaged, whole = add_job(store, "a.png"), add_job(store, "b.png")
    (store.folder(damaged.id) / "job.json").write_text('{"state": "who knows"}')
    store.close()
    assert [job.id for job in opened_store(tmp_path).jobs()] == [whole.id]


def test_an_upload_without_a_whole_file_is_gone_after_a_restart(tmp_path):
    store = opened_store(tmp_path)
    job = store.create(SETTINGS, "begun")
    store.close()
    assert opened_store(tmp_path).jobs() == []
    assert not (tmp_path / "jobs" / job.id).exists()


def test_a_finished_job_expires_and_one_that_waits_does_not(tmp_path):
    now = [1000.0]
    store = JobStore(tmp_path, Limits(keep_days=1.0), clock=lambda: now[0])
    store.open()
    done, waiting = add_job(store, "a.png"), add_job(store, "b.png")
    store.begin(done.id)
    store.finish(done.id, "done")
    assert store.remove_expired() == []
    now[0] += 86401
    assert store.remove_expired() == [done.id]
    assert [job.id for job in store.jobs()] == [waiting.id]
    assert not (tmp_path / "jobs" / done.id).exists()


def test_no_more_is_kept_than_may_be(tmp_path):
    store = opened_store(tmp_path, Limits(disk_bytes=2000))
    job = add_job(store, "a.png")
    (store.folder(job.id) / "inputs" / "more.png").write_bytes(bytes(1900))
    store.measure(job.id)
    with pytest.raises(NoRoomError, match="remove jobs"):
        store.create(SETTINGS, "one more")
    store.remove(job.id)
    store.create(SETTINGS, "one more")


def test_what_is_being_uploaded_counts_until_it_fails(tmp_path):
    store = opened_store(tmp_path, Limits(disk_bytes=2000))
    job = store.create(SETTINGS, "begun")
    with pytest.raises(NoRoomError), store.reserved(job.id, 1500), store.reserved(job.id, 1500):
        pass
    with store.reserved(job.id, 1500):
        pass
    assert store.num_bytes == 1500


def test_who_waits_hears_that_the_queue_moves(tmp_path):
    store = opened_store(tmp_path)
    jobs = [add_job(store, "a.png") for _ in range(3)]
    version, _, _ = store.changed_since(0)
    store.begin(jobs[0].id)
    _, changed, _ = store.changed_since(version)
    assert set(changed) == {job.id for job in jobs}
    assert store.places() == {jobs[1].id: 1, jobs[2].id: 2}


def test_so_many_jobs_wait_and_no_more(tmp_path):
    store = opened_store(tmp_path, Limits(queued_jobs=1))
    add_job(store, "a.png")
    with pytest.raises(NoRoomError, match="try again later"):
        store.create(SETTINGS, "one more")


@pytest.mark.parametrize("identity", ["../../etc", "x", "", "0" * 31])
def test_only_a_uuid_names_a_job(tmp_path, identity):
    store = opened_store(tmp_path)
    with pytest.raises(InputError, match="UUID"):
        store.create(SETTINGS, "job", identity)
    with pytest.raises(UnknownJobError):
        store.folder(identity)


def test_a_given_uuid_is_taken_once(tmp_path):
    store, given = opened_store(tmp_path), str(uuid.uuid4())
    assert store.create(SETTINGS, "job", given.upper()).id == given
    with pytest.raises(InputError, match="already"):
        store.create(SETTINGS, "job", given)


def test_a_job_is_made_again_without_what_it_had(tmp_path):
    store = opened_store(tmp_path)
    job, other = add_job(store, "a.png"), add_job(store, "b.png")
    store.begin(job.id)
    store.finish(job.id, "failed", "fog")
    again = store.queue_up(job.id)
    assert (again.state, again.reason, again.attempts) == ("queued", "", 0)
    assert [one.id for one in store.queue()] == [other.id, job.id]
    kept = json.loads((store.folder(job.id) / "job.json").read_text())
    assert kept["state"] == "queued"


@pytest.mark.parametrize("values", [{"views": 0}, {"max_pixels": 10}, {"views": 10**9}])
def test_settings_outside_their_range_are_refused(values):
    with pytest.raises(InputError, match="whole number from"):
        JobSettings(model="glance-small", **values)
