"""What an earlier run left is looked at before the work: nothing is taken for done that is not."""

from pathlib import Path

import pytest

from glance3d.batches import front
from glance3d.batches.front import BatchOptions, batch
from glance3d.batches.ledger.owners import Owner
from glance3d.batches.resume import Again, refuse_company, take_up
from glance3d.batches.scenes import BatchScene
from glance3d.batches.workers.maker import SceneMaker
from glance3d.batches.workers.ray_pool import share
from glance3d.batches.workers.tasks import SceneTask
from glance3d.errors import InputError, OutputError
from glance3d.models import ModelSource
from tests.batches.ledgers import Clock, FakePool, Worker, scenes
from tests.batches.test_processes import SMALL


@pytest.fixture
def made(tiny_weights: Path, photos: Path, tmp_path: Path):
    """A batch of one scene that is done; a function that takes it up again."""
    source = ModelSource(tiny_weights, device="cpu")
    listed = [BatchScene("castle", (str(photos),), SMALL)]
    out = tmp_path / "out"
    worker = Worker(out)

    def make(task: SceneTask):
        return SceneMaker(source).make(task)

    worker.pool = FakePool(make, Clock())
    worker.run(listed)
    assert worker.ledger.state("castle").name == "done"

    def again(**options: bool) -> tuple[dict[str, str], str]:
        changes = take_up(listed, out, worker.ledger, worker.owner, source, Again(**options))
        return changes, worker.ledger.state("castle").name

    return again


def test_what_is_done_is_looked_at_and_left_unless_asked(made, photos: Path) -> None:
    (photos / "view1.png").touch()  # looked at closely, and the same
    assert made(redo=True, retry=True) == ({}, "done")
    content = (photos / "view3.png").read_bytes()
    (photos / "view3.png").write_bytes((photos / "view1.png").read_bytes())
    assert made() == ({"castle": "photos"}, "done")
    (photos / "view3.png").write_bytes(content)
    assert made() == ({}, "done")
    for photo in photos.iterdir():
        photo.unlink()
    assert made() == ({"castle": "photos (they cannot be read any more)"}, "done")
    assert made(redo=True) == ({}, "pending")


def test_a_result_that_is_not_whole_is_made_again(made, tmp_path: Path) -> None:
    (tmp_path / "out" / "castle" / "points.ply").unlink()
    assert made() == ({}, "pending")


def test_another_run_of_this_machine_is_not_joined_by_accident(tmp_path: Path) -> None:
    this = Owner.this()
    if not this.machine:
        pytest.skip("processes cannot be looked at here")
    worker = Worker(tmp_path)
    worker.owner = this
    assert worker.claim("castle")
    with pytest.raises(OutputError, match=r"making castle in .* \(--worker\)"):
        refuse_company(scenes("castle"), tmp_path, worker.ledger)
    refuse_company(scenes("church"), tmp_path, worker.ledger)


def test_a_file_where_the_folder_is_to_be_is_named(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("mine")
    with pytest.raises(OutputError, match=r"out: a file of that name stands where a folder"):
        batch({"castle": photos}, file)
    assert file.read_text() == "mine"


def test_the_function_takes_photos_by_name(
    tiny_weights: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ModelSource(tiny_weights, device="cpu")
    pool = FakePool(lambda task: SceneMaker(source).make(task), Clock())
    monkeypatch.setattr(front, "ProcessPool", lambda source: pool)
    options = {"model": tiny_weights, "device": "cpu", "recipe": {"b": SMALL}}
    summary = batch({"b": [photos / "view1.png", photos / "view2.png"]}, tmp_path / "o", **options)
    (scene,) = summary.scenes
    assert (scene.state, scene.result["photos"]) == ("done", 2)
    listed = tmp_path / "list.jsonl"
    listed.write_text('{"name": "a", "photos": "p", "options": {"views": 2}}')
    with pytest.raises(InputError, match="words of the command line"):
        batch(listed, tmp_path / "o", **options)


@pytest.mark.parametrize(
    ("nodes", "asked", "expected"),
    [
        ([{"CPU": 8.0}], None, (1, {"num_cpus": 8.0})),
        ([{"CPU": 8.0}, {"CPU": 4.0}], None, (2, {"num_cpus": 4.0})),
        ([{"CPU": 2.0}], 2, (2, {"num_cpus": 1.0})),
        ([{"CPU": 16.0, "GPU": 4.0}] * 2, None, (8, {"num_cpus": 4.0, "num_gpus": 1.0})),
        ([{"CPU": 16.0, "GPU": 1.0}], 2, (2, {"num_cpus": 8.0, "num_gpus": 0.5})),
    ],
)
def test_a_cluster_is_shared_evenly(nodes: list, asked: int | None, expected: tuple) -> None:
    assert share(nodes, asked) == expected


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match="at least 10 seconds"):
        BatchOptions(lease_seconds=float("nan"))
    with pytest.raises(InputError, match="at least 1, got 0"):
        BatchOptions(ray="auto", num_workers=0)
