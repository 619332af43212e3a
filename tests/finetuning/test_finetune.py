"""Runs of fine-tuning, as a user has them: refused, trained, guarded, stopped and resumed."""

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from glance3d.cli import main
from glance3d.datasets import MultiViewSample, SyntheticConfig
from glance3d.errors import ImageError, InputError, NotEnoughMemoryError, WeightsError
from glance3d.evaluation import EvaluationSet
from glance3d.finetuning import front
from glance3d.finetuning.data.split import split_sets
from glance3d.finetuning.front import Preparation, check_geometry, finetune, learn_one, prepare
from glance3d.finetuning.guards import Guards, build_guards
from glance3d.finetuning.memory import StepMemory, count_step
from glance3d.finetuning.options import FinetuneOptions
from glance3d.finetuning.overfit import Overfit
from glance3d.finetuning.trainable import choose_trainable, losses_for, training_config
from glance3d.finetuning.trainer import FinetuneTrainer
from glance3d.images import Preprocessing
from glance3d.models import VGGT, ModelSource, Network, build_model, load_model
from glance3d.models.adapters.files import ADAPTER_FILES
from glance3d.models.adapters.layers import lora_layers
from glance3d.models.architectures import network_of
from glance3d.models.config import da3_tiny, glance_small, tiny, vggt_1b
from glance3d.nn.chunks import recomputing
from glance3d.photo_sets import PhotoSet, load_photo_set
from glance3d.photo_sets.conventions import Conventions
from glance3d.training import LossWeights, export_weights
from glance3d.training.losses.normalise import normalise_scenes
from glance3d.training.losses.objective import compute_losses
from glance3d.training.losses.scene import camera_loss
from glance3d.training.run.training_log import read_log
from tests.photo_sets.drawn import drawn_room, write_cameras_json
from tests.training.scenes import make_sample

OPTIONS = FinetuneOptions(
    steps=4,
    num_views=(2, 2),
    images_per_batch=2,
    max_pixels=56 * 42,
    general_scenes=1,
    general_pixels=28 * 28,
    every=2,
    learning_rate=3e-3,
    num_queries=8,
    rehearsal=0.0,
)


pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    export_weights(build_model(tiny()), path, torch.float32)
    return path


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    return load_photo_set(write_cameras_json(drawn_room(), tmp_path_factory.mktemp("room")))


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is not counted, and what is measured is a sum of what was learned."""

    def measure(self: Guards, network: Network) -> dict[str, float]:
        total = sum(float(lora.lora_B.abs().sum()) for lora in lora_layers(network).values())
        return BEFORE | {"validation_auc30": round(0.5 + total, 6)}

    monkeypatch.setattr(front, "count_step", lambda *args, **kwargs: StepMemory(1, 1, 1))
    monkeypatch.setattr(front, "guards_of", lambda ready: Guards((), NO_SET, 0.02))
    monkeypatch.setattr(Guards, "measure", measure)


BEFORE = {
    "validation_auc30": 0.5,
    "validation_delta": 0.6,
    "general_auc30": 0.5,
    "general_delta": 0.8,
}
NO_SET = EvaluationSet("synthetic", (), "none")


def ready(weights: Path, room: PhotoSet, options: FinetuneOptions = OPTIONS) -> Preparation:
    return prepare([room], [], ModelSource(weights, device="cpu"), options)


def learned_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "last" / ADAPTER_FILES[1])


@pytest.mark.usefixtures("_quick")
@pytest.mark.long
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    weights: Path, room: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = finetune(ready(weights, room), tmp_path / "straight")
    run = FinetuneTrainer.run
    with monkeypatch.context() as patch:
        patch.setattr(FinetuneTrainer, "run", lambda self: run(self, max_steps=3))
        finetune(ready(weights, room), tmp_path / "resumed")
    with pytest.raises(InputError, match="already holds a run: go on with --resume"):
        finetune(ready(weights, room), tmp_path / "resumed")
    resumed = finetune(ready(weights, room), tmp_path / "resumed", resume=True)
    ours, theirs = learned_of(tmp_path / "straight"), learned_of(tmp_path / "resumed")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    assert straight.before == resumed.before
    # It was measured at step 3 as well, where it was taken to be done.
    steps = [line["step"] for line in read_log(tmp_path / "straight" / "log.jsonl", "measured")]
    assert steps == [0, 2, 4]
    assert straight.last["validation_auc30"] == resumed.last["validation_auc30"]
    report = json.loads((tmp_path / "straight" / "report.json").read_text())
    assert report["before"]["step"] == 0
    assert report["last"]["step"] == 4
    assert (tmp_path / "straight" / "guards.png").is_file()
    # What it learned is an adapter for the network that it began with, and changes it.
    tuned = load_model(weights, device="cpu", adapter=tmp_path / "straight" / "last")
    plain = load_model(weights, device="cpu")
    name = "aggregator.frame_blocks.0.attn.qkv.weight"
    assert not torch.equal(tuned.state_dict()[name], plain.state_dict()[name])
    other = ready(weights, room, dataclasses.replace(OPTIONS, rank=3))
    with pytest.raises(WeightsError, match="does not fit"):
        finetune(other, tmp_path / "resumed", resume=True)


@pytest.mark.usefixtures("_quick")
@pytest.mark.long
def test_a_killed_run_leaves_a_checkpoint_and_no_number_to_a_new_one(
    weights: Path, room: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed: as by SIGKILL, nothing is saved on the way out."""

    class Killed(BaseException):
        pass

    def train_step(self: FinetuneTrainer, sample: MultiViewSample) -> tuple[dict, bool]:
        if self.progress.step == kill_at:
            self._is_updating = True  # so that nothing is saved
            raise Killed
        return step(self, sample)

    step, kill_at = FinetuneTrainer.train_step, 3
    whole = finetune(ready(weights, room), tmp_path / "whole")
    monkeypatch.setattr(FinetuneTrainer, "train_step", train_step)
    with pytest.raises(Killed):
        finetune(ready(weights, room), tmp_path / "killed")
    kill_at = -1
    resumed = finetune(ready(weights, room), tmp_path / "killed", resume=True)
    ours, theirs = learned_of(tmp_path / "whole"), learned_of(tmp_path / "killed")
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    assert whole.last == resumed.last | {"samples": whole.last["samples"]}
    # Before its first checkpoint: another run in the same folder measures for itself.
    kill_at = 1
    with pytest.raises(Killed):
        finetune(ready(weights, room), tmp_path / "early")
    kill_at = -1
    with monkeypatch.context() as patch:
        patch.setattr(Guards, "measure", lambda self, network: BEFORE | {"general_delta": 0.3})
        other = finetune(ready(weights, room), tmp_path / "early")
    assert other.before["general_delta"] == 0.3


@pytest.mark.parametrize(
    ("now", "is_better", "reason"),
    [
        ({"validation_auc30": 0.6}, True, r"better on validation \(\+0.0500, standard error 0.0"),
        ({"validation_auc30": 0.4}, False, "not better on validation"),
        ({"validation_auc30": 0.7, "general_delta": 0.79}, True, "lost 1.[23]% .*, tolerated"),
        ({"validation_auc30": 0.7, "general_delta": 0.7}, False, "more than the 2% tolerated"),
        ({"validation_auc30": 0.7, "general_auc30": 0.48}, False, "AUC@30 of poses on general"),
        ({"validation_auc30": 0.7, "validation_delta": math.nan}, True, r"\+0.2000"),
    ],
)
def test_only_what_helps_here_and_costs_little_there_is_better(
    now: dict[str, float], is_better: bool, reason: str
) -> None:
    guards = Guards((), NO_SET, 0.02)
    verdict = guards.compare(BEFORE, BEFORE | now)
    assert verdict.is_better == is_better
    assert re.search(reason, verdict.reason)


def test_a_gain_is_one_if_it_is_more_than_noise() -> None:
    """Four scenes that gain 0.1 on the whole: all of them, or one alone."""

    def line(here: list[float], there: list[float]) -> dict[str, Any]:
        scenes = {"validation_auc30": here, "validation_delta": [None] * len(here)}
        means = {"validation_auc30": sum(here) / len(here), "validation_delta": math.nan}
        means |= {"general_auc30": sum(there) / len(there)}
        return BEFORE | means | {"scenes": json.dumps({**scenes, "general_auc30": there})}

    guards = Guards((), NO_SET, 0.02)
    before = line([0.5, 0.5, 0.5, 0.5], [0.5, 0.5])
    steady = guards.compare(before, line([0.6, 0.58, 0.62, 0.6], [0.5, 0.5]))
    assert steady.gain == pytest.approx(0.1)
    assert steady.noise == pytest.approx(math.sqrt(0.0008 / 3) / 2)
    assert steady.is_better
    lucky = guards.compare(before, line([0.9, 0.5, 0.5, 0.5], [0.5, 0.5]))
    assert lucky.gain == pytest.approx(0.1)
    assert not lucky.is_better
    assert "not clearly better on validation" in lucky.reason
    # What is lost is never let through; the sentence says that it may be noise.
    lost = guards.compare(before, line([0.6, 0.58, 0.62, 0.6], [0.3, 0.6]))
    assert not lost.is_better
    assert "but it may be noise: measure more (--general-scenes)" in lost.reason


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("kept", [True, False])
def test_best_is_written_only_where_the_guards_let_it_through(
    weights: Path, room: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """Numbers that rise here, and fall or stay there."""
    count = iter(range(10))

    def measure(self: Guards, network: Network) -> dict[str, float]:
        step = next(count)
        there = BEFORE["general_auc30"] - (0 if kept else 0.1 * step)
        return BEFORE | {"validation_auc30": 0.5 + 0.1 * step, "general_auc30": there}

    monkeypatch.setattr(Guards, "measure", measure)
    report = finetune(ready(weights, room), tmp_path)
    assert (tmp_path / "best" / ADAPTER_FILES[1]).is_file() == kept
    assert (report.best is not None) == kept
    text = report.to_text()
    assert ("holds the weights of step 4" if kept else "nothing is written to best/") in text
    assert (tmp_path / "last" / ADAPTER_FILES[0]).is_file()


@pytest.mark.parametrize("train", ["lora", "bias", "norm", "heads", "all"])
@pytest.mark.parametrize("config", [tiny, da3_tiny])
def test_what_is_asked_for_learns_and_nothing_else(train, config) -> None:
    with torch.device("meta"):
        network = network_of(config())
    count = choose_trainable(network, dataclasses.replace(OPTIONS, train=train))
    learns = {name for name, value in network.named_parameters() if value.requires_grad}
    assert count == sum(network.get_parameter(name).numel() for name in learns)
    backbone = ("aggregator.", "backbone.")
    expected = {
        "lora": lambda name: ".lora." in name,
        "bias": lambda name: name.endswith("bias"),
        "norm": lambda name: "norm" in name,
        "heads": lambda name: not name.startswith(backbone),
        "all": lambda name: True,
    }[train]
    assert learns
    assert all(map(expected, learns))
    if train in ("bias", "heads", "all"):
        assert learns == {name for name, _ in network.named_parameters() if expected(name)}
    assert bool(lora_layers(network)) == (train == "lora")


@pytest.mark.parametrize("config", [tiny, da3_tiny])
def test_every_adapter_learns_from_the_losses_of_its_network(config, room: PhotoSet) -> None:
    network = build_model(config())
    choose_trainable(network, OPTIONS)
    assert not any(name.startswith(("track_head.", "camera_enc")) for name in lora_layers(network))
    losses = losses_for(network, [room], cameras_only=False)
    assert set(losses.active) == {"camera", "depth"} | ({"points"} if config is tiny else {"rays"})
    run = training_config(network, OPTIONS, losses)
    compute_losses(network, make_sample(batch=1, views=2), run)["loss"].backward()
    learned = {name for name, lora in lora_layers(network).items() if lora.lora_B.grad is not None}
    assert learned == set(lora_layers(network))


def test_a_network_that_matches_is_taught_its_matches_and_their_judge(room: PhotoSet) -> None:
    """Poses that are solved from matches have no gradient: their head is left as it is."""
    taught = {}
    for train in ("lora", "bias", "norm", "heads", "all"):
        with torch.device("meta"):
            network = network_of(glance_small())
        choose_trainable(network, dataclasses.replace(OPTIONS, train=train))
        taught[train] = set(losses_for(network, [room], cameras_only=False).active)
    assert set(map(frozenset, taught.values())) == {
        frozenset(("descriptors", "pairs", "depth", "points"))
    }
    with torch.device("meta"):
        network = network_of(glance_small())
    choose_trainable(network, OPTIONS)
    assert losses_for(network, [room], cameras_only=True).active == ("camera",)
    for value in network.get_submodule("correspondence_head.relations").parameters():
        value.requires_grad_(False)
    assert "pairs" not in losses_for(network, [room], cameras_only=False).active


@pytest.mark.usefixtures("_quick")
def test_a_run_that_would_change_nothing_is_refused(
    weights: Path, room: PhotoSet, tmp_path: Path
) -> None:
    """The last layer of the camera head is zero, as of a network whose head was not trained."""
    options = dataclasses.replace(OPTIONS, train="norm", cameras_only=True)
    made = ready(weights, room, options)
    network = made.network
    assert isinstance(network, VGGT)
    assert network.camera_head is not None
    torch.nn.init.zeros_(network.camera_head.pose_mlp.fc2.weight)
    with pytest.raises(InputError, match=r"--train norm\) must be what camera of tiny depend"):
        finetune(made, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_guards_measure_groups_of_the_set_and_drawn_scenes(room: PhotoSet) -> None:
    network = build_model(tiny()).eval().requires_grad_(False)
    data = SyntheticConfig(4, (2, 2), 28 * 28, (1,), 14, (1.0, 1.0), (25.0, 90.0), 8, 16, 64)
    small = Preprocessing(size=56, patch_size=14, max_pixels=56 * 56)
    (validation,) = split_sets([room]).validation
    guards = build_guards([validation], small, data, 4, 1, 0.02)
    assert [len(scene.cameras) for scene in guards.validation[0].scenes] == [2]
    measured = guards.measure(network)
    scenes = json.loads(measured["scenes"])
    assert set(measured) == {*BEFORE, "scenes"}
    assert all(0 <= measured[name] <= 1 for name in BEFORE)
    assert measured["general_auc30"] == pytest.approx(scenes["general_auc30"][0], abs=1e-6)
    assert measured == guards.measure(network)


@pytest.mark.usefixtures("_quick")
def test_other_choices_are_written_as_weights(
    weights: Path, room: PhotoSet, tmp_path: Path
) -> None:
    options = dataclasses.replace(OPTIONS, train="norm", steps=2)
    finetune(ready(weights, room, options), tmp_path)
    tuned, plain = load_model(tmp_path / "last" / "weights.safetensors"), load_model(weights)
    changed = {
        name
        for name, value in tuned.state_dict().items()
        if not torch.equal(value, plain.state_dict()[name])
    }
    assert changed
    assert all("norm" in name for name in changed)


def test_cameras_alone_teach_directions_and_no_scale(room: PhotoSet) -> None:
    network = build_model(tiny())
    losses = losses_for(network, [room], cameras_only=True)
    assert losses.active == ("camera",)
    sample = make_sample()
    known = normalise_scenes(sample.cam_from_world, sample.intrinsics, sample.depth, sample.valid)
    none = normalise_scenes(
        sample.cam_from_world, sample.intrinsics, sample.depth, torch.zeros_like(sample.valid)
    )
    assert bool(known.has_scale.all())
    assert not bool(none.has_scale.any())
    predicted = torch.randn(known.pose_enc.shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(known.at_true_scale(predicted), predicted)
    scaled = none.at_true_scale(predicted)[..., :3].flatten(1)
    torch.testing.assert_close(scaled.norm(dim=1), none.pose_enc[..., :3].flatten(1).norm(dim=1))
    cosine = torch.nn.functional.cosine_similarity(scaled, predicted[..., :3].flatten(1))
    torch.testing.assert_close(cosine, torch.ones(len(cosine)))
    # No step makes the cameras of an iteration nearer or farther: the gradient is across.
    iterations = predicted.expand(3, -1, -1, -1).clone().requires_grad_()
    camera_loss(none.at_true_scale(iterations), none.pose_enc)["camera"].backward()
    assert iterations.grad is not None
    along = (iterations.grad * iterations.detach())[..., :3].sum((-2, -1))
    torch.testing.assert_close(along, torch.zeros_like(along), atol=1e-6, rtol=0)
    assert float(iterations.grad[..., :3].abs().max()) > 1e-3


def test_what_is_made_again_for_the_gradients_gives_the_same(room: PhotoSet) -> None:
    network = build_model(tiny())
    choose_trainable(network, OPTIONS)
    for lora in lora_layers(network).values():
        torch.nn.init.normal_(lora.lora_B, 0, 0.1)
    losses = losses_for(network, [room], cameras_only=False)
    config = training_config(network, OPTIONS, losses)
    gradients = []
    for active in (False, True):
        network.zero_grad()
        with recomputing(active):
            loss = compute_losses(network, make_sample(batch=1, views=5), config)["loss"]
            loss.backward()
        found = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
        gradients.append((loss.detach(), found))
    torch.testing.assert_close(gradients[0][0], gradients[1][0])
    for name, value in gradients[0][1].items():
        torch.testing.assert_close(gradients[1][1][name], value, rtol=1e-3, atol=1e-5)


@pytest.mark.long
def test_memory_is_counted_and_less_where_parts_are_made_again(
    weights: Path, room: PhotoSet
) -> None:
    plain = ready(weights, room).memory
    frugal = ready(weights, room, dataclasses.replace(OPTIONS, recompute=True)).memory
    assert plain.weights < frugal.peak < plain.peak


@pytest.mark.usefixtures("_quick")
def test_a_step_that_does_not_fit_is_refused_before_it(
    weights: Path, room: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "count_step", lambda *args, **kwargs: StepMemory(1, 1, 10**10))
    monkeypatch.setattr(front, "available_memory", lambda device: 10**9)
    with pytest.raises(NotEnoughMemoryError, match="take fewer --images"):
        ready(weights, room)


@pytest.mark.long
def test_vggt_1b_with_adapters_fits_24_gb() -> None:
    """Four photos of 518 x 392, all heads that are trained, activations in float32."""
    with torch.device("meta"):
        network = network_of(vggt_1b())
    choose_trainable(network, FinetuneOptions())
    losses = LossWeights.only(camera=5.0, depth=1.0, points=0.5)
    config = training_config(network, FinetuneOptions(), losses)
    memory = count_step(network, config, (1, 4, 392, 518), recompute=True)
    assert 5e9 < memory.weights < memory.peak < 20e9


@pytest.mark.long
@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("healthy", [True, False])
def test_a_network_that_knows_nothing_learns_one_sample_and_a_broken_one_is_named(
    weights: Path, room: PhotoSet, healthy: bool
) -> None:
    """Broken: no gradient passes where fields of view are below zero, and so are cut off."""
    options = dataclasses.replace(
        OPTIONS, train="all", steps=60, cameras_only=True, learning_rate=3e-4
    )
    made = ready(weights, room, options)
    if not healthy:
        assert isinstance(made.network, VGGT)
        assert made.network.camera_head is not None
        with torch.no_grad():
            made.network.camera_head.pose_mlp.fc2.bias[7:] = -10.0
    result = learn_one(made)
    assert result.learned == healthy, result.to_text()
    assert result.stuck == (() if healthy else ("camera",))


def test_learned_by_heart_is_a_tenth_of_the_error() -> None:
    before = {"total": 2.0, "camera": 1.0, "depth": 1.0}
    learned = Overfit(before, {"total": 0.19, "camera": 0.12, "depth": 0.07}, 60)
    assert learned.learned
    stuck = Overfit(before, {"total": 0.6, "camera": 0.5, "depth": 0.1}, 60)
    assert not stuck.learned
    assert stuck.stuck == ("camera",)
    assert "camera did not fall tenfold" in stuck.to_text()


@pytest.mark.usefixtures("_quick")
def test_what_does_not_learn_is_named(weights: Path, room: PhotoSet) -> None:
    stuck = learn_one(ready(weights, room, dataclasses.replace(OPTIONS, steps=1)))
    assert not stuck.learned
    assert "camera" in stuck.stuck
    assert "did not fall tenfold" in stuck.to_text()


def test_geometry_that_does_not_close_is_refused_unless_it_is_trusted(
    room: PhotoSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = Conventions(depth_factor=100.0)
    with pytest.raises(ImageError, match=r"does not close: .*--depth-factor 1.*--trust-geometry"):
        check_geometry([room], [wrong], trust=False)
    (trusted,) = check_geometry([room], [wrong], trust=True)
    assert "does not close" in caplog.text
    torch.testing.assert_close(trusted.load_depth(0), room.load_depth(0) * 100)


@pytest.mark.usefixtures("_quick")
def test_the_command_trains_and_says_what_it_came_to(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write_cameras_json(drawn_room(), tmp_path / "room"))
    words = ["finetune", folder, "--model", str(weights), "--device", "cpu", "--images", "2"]
    words += ["--views", "2", "2", "--max-pixels", "1200", "--general-scenes", "1", "--steps", "1"]
    words += ["--rehearsal", "0"]
    assert main(words) == 2
    assert "say where the run is to go: --out DIR" in capsys.readouterr().err
    assert main([*words, "--out", str(tmp_path / "run"), "--depth-factor", "100"]) == 1
    assert "does not close" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert "split by views" in capsys.readouterr().out
    assert main([*words, "--overfit-one", "--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["learned"] is False
    assert "did not fall tenfold in 1 steps" in printed.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"rank": 0}, "rank must be at least 1"),
        ({"tolerated": 1.5}, "tolerated must be a share"),
        ({"every": 0}, "a validation must be every 1 step or more"),
        ({"rehearsal": 1.0}, "rehearsal must be a share from 0 to below 1"),
    ],
)
def test_options_that_cannot_be_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(OPTIONS, **changes)
