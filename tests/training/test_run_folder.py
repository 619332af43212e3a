"""The folder of a run: other people's files stay, its own are replaced as one."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from glance3d.errors import OutputError
from glance3d.models import build_model
from glance3d.results import MANIFEST_FILE, read_manifest
from glance3d.training import Trainer, build_recipe, export_weights, load_checkpoint
from glance3d.training.run.folder import FILES
from tests.training.scenes import make_sample


def build_sampler():
    return lambda index: make_sample(batch=1, views=2, seed=index)


def trainer(out: Path, **options: bool) -> Trainer:
    config = replace(build_recipe("tiny-test"), total_samples=8)
    return Trainer(config, out, build_sampler=build_sampler, show_progress=False, **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    trainer(out).run(max_steps=1)
    return out


def copy_of(folder: Path, to: Path, *names: str) -> Path:
    to.mkdir()
    for name in names:
        (to / name).write_bytes((folder / name).read_bytes())
    return to


def test_a_run_owns_its_files_and_goes_on_in_a_copy_of_its_folder(run, tmp_path):
    assert {name for name in FILES if (run / name).exists()} <= set(read_manifest(run).files)
    out = copy_of(run, tmp_path / "copy", *(path.name for path in run.iterdir()))
    with (out / "log.jsonl").open("a") as file:
        file.write('{"kind": "note", "step": 1, "samples": 1}\n{"torn')
    again = trainer(out)
    again.resume()
    assert again.run(max_steps=1).step == load_checkpoint(run / "checkpoint.pt").progress.step + 1
    assert {path.name for path in out.iterdir()} <= {*FILES, MANIFEST_FILE}


@pytest.mark.parametrize("name", FILES)
def test_files_of_somebody_else_are_refused_before_the_first_step(tmp_path, name):
    (tmp_path / name).write_text("theirs")
    with pytest.raises(OutputError, match=rf"{name}, not written by Glance3D"):
        trainer(tmp_path).run(max_steps=0)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "theirs"}


def test_they_are_replaced_with_leave(tmp_path):
    for name in ("config.json", "weights.safetensors"):
        (tmp_path / name).write_text("theirs")
    trainer(tmp_path, overwrite=True).run(max_steps=0)
    assert (tmp_path / "config.json").read_text().startswith("{")
    assert (tmp_path / "weights.safetensors").read_bytes() != b"theirs"


def test_a_run_of_an_earlier_version_goes_on_from_its_checkpoint(run, tmp_path):
    names = [name for name in FILES if (run / name).exists()]
    out = copy_of(run, tmp_path / "old", *names)
    again = trainer(out)
    again.resume()
    again.run(max_steps=0)
    assert set(names) <= set(read_manifest(out).files)


def test_weights_never_replace_somebody_elses(tmp_path):
    model, path = build_model(build_recipe("tiny-test").model), tmp_path / "mine.safetensors"
    export_weights(model, path)
    export_weights(model, path)
    before = path.read_bytes()
    path.write_bytes(b"theirs")
    with pytest.raises(OutputError, match=r"mine\.safetensors, changed since"):
        export_weights(model, path)
    assert path.read_bytes() == b"theirs"
    export_weights(model, path, overwrite=True)
    assert path.read_bytes() == before


def test_two_trainers_do_not_share_a_folder(tmp_path):
    held, release = os.pipe(), os.pipe()
    first = trainer(tmp_path)
    child = os.fork()
    if child == 0:
        try:
            with first.folder.open():
                os.write(held[1], b"held")
                os.read(release[0], 1)
        finally:
            os._exit(0)
    assert os.read(held[0], 4) == b"held"
    with pytest.raises(OutputError, match="another run"):
        first.run(max_steps=0)
    os.write(release[1], b"x")
    os.waitpid(child, 0)
