"""Fast paths are taken where they are right and faster, by a clock that these tests turn."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from benchmarks.meta_gpu import build_on_meta
from torch import Tensor

from glance3d.errors import ConfigError
from glance3d.models.config import tiny
from glance3d.models.zoo import _resolve_precision
from glance3d.nn.fast import cpu as fast_cpu
from glance3d.nn.fast.operations import ATTENTION, LINEAR, PLAIN, TABLE, Operation
from glance3d.nn.fast.paths import FastPaths, choose, using
from glance3d.nn.fast.trial import LEAST_ROUNDS, Choice, example, right_ones
from glance3d.nn.precision import Conv2d, ConvTranspose2d, product

CPU = torch.device("cpu")
NUMBERS = torch.arange(1.0, 9.0)


class FakeMachine:
    """Paths that take as long as they are told, on a clock of their own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def path(
        self, name: str, seconds: float, result: Tensor | Exception = NUMBERS
    ) -> Callable[[], Tensor]:
        def run() -> Tensor:
            self.calls.append(name)
            self.now += seconds
            if isinstance(result, Exception):
                raise result
            return result

        return run

    def choose(self, paths: FastPaths, **others: Callable[[], Tensor]) -> Choice:
        trial = {PLAIN: self.path(PLAIN, 1e-3), **others}
        return paths.choose(LINEAR, "any", CPU, torch.float32, lambda: trial)


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
def paths(machine: FakeMachine) -> FastPaths:
    return FastPaths(clock=lambda: machine.now)


def test_a_faster_path_is_taken_and_tried_once(machine: FakeMachine, paths: FastPaths) -> None:
    choice = machine.choose(paths, onednn=machine.path("onednn", 0.5e-3))
    assert (choice.path, choice.reasons) == ("onednn", {})
    assert choice.speedups["onednn"] == pytest.approx(2)
    calls = len(machine.calls)
    assert machine.choose(paths, onednn=machine.path("onednn", 9.0)) is choice
    assert len(machine.calls) == calls


@pytest.mark.parametrize("seconds", [0.97e-3, 1e-3, 1.5e-3, 5e-3])
def test_a_path_that_is_not_clearly_faster_is_not_taken(
    machine: FakeMachine, paths: FastPaths, seconds: float
) -> None:
    choice = machine.choose(paths, onednn=machine.path("onednn", seconds))
    assert choice.path == PLAIN
    assert "times as fast" in choice.reasons["onednn"]


def test_the_fastest_of_several_is_taken(machine: FakeMachine, paths: FastPaths) -> None:
    near = machine.path("onednn", 0.8e-3)
    nearer = machine.path("onednn-apart", 0.7e-3)
    choice = machine.choose(paths, **{"onednn": near, "onednn-apart": nearer})
    assert choice.path == "onednn-apart"
    assert set(choice.reasons) == {"onednn"}


@pytest.mark.parametrize(
    "result",
    [NUMBERS + 1, NUMBERS[:4], NUMBERS * torch.nan, NUMBERS.double()],
    ids=["off", "shorter", "nan", "another dtype"],
)
def test_a_wrong_path_is_never_taken(
    machine: FakeMachine, paths: FastPaths, result: Tensor
) -> None:
    choice = machine.choose(paths, onednn=machine.path("onednn", 1e-6, result))
    assert choice.path == PLAIN
    assert "other numbers" in choice.reasons["onednn"]
    assert machine.calls.count("onednn") == 1


def test_a_path_that_raises_is_never_called_again(machine: FakeMachine, paths: FastPaths) -> None:
    broken = machine.path("onednn", 1e-6, RuntimeError("no primitive\nfor this"))
    for _ in range(3):
        choice = machine.choose(paths, onednn=broken)
        assert choice.path == PLAIN
    assert choice.reasons["onednn"] == "does not run here: RuntimeError: no primitive"
    assert machine.calls.count("onednn") == 1


def test_a_hopeless_path_is_not_run_again_and_again(machine: FakeMachine, paths: FastPaths) -> None:
    machine.choose(paths, onednn=machine.path("onednn", 0.02))
    assert machine.calls.count("onednn") == 1 + LEAST_ROUNDS


def test_off_runs_the_plain_steps_untried(
    machine: FakeMachine, paths: FastPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = machine.path("onednn", 1e-6)
    monkeypatch.setenv("GLANCE3D_FAST", "off")
    assert machine.choose(paths, onednn=fast).path == PLAIN
    monkeypatch.setenv("GLANCE3D_FAST", "blocks, float32")
    choice = machine.choose(paths, onednn=fast, float32=machine.path("float32", 1e-6))
    assert choice.path == "float32"
    assert "GLANCE3D_FAST" in choice.reasons["onednn"]
    assert "onednn" not in machine.calls
    monkeypatch.setenv("GLANCE3D_FAST", "warp")
    with pytest.raises(ConfigError, match="no fast path with warp"):
        machine.choose(paths, onednn=fast)


def test_choices_belong_to_a_number_of_threads(machine: FakeMachine, paths: FastPaths) -> None:
    before = torch.get_num_threads()
    assert machine.choose(paths, onednn=machine.path("onednn", 1e-6)).path == "onednn"
    try:
        torch.set_num_threads(before + 1)
        assert machine.choose(paths, onednn=machine.path("onednn", 1.0)).path == PLAIN
    finally:
        torch.set_num_threads(before)


def test_the_report_says_what_ran_and_why(machine: FakeMachine, paths: FastPaths) -> None:
    machine.choose(paths, onednn=machine.path("onednn", 4e-3))
    (line,) = paths.describe()
    assert line["operation"] == "linear"
    assert line["path"] == PLAIN
    assert line["dtype"] == "float32"
    assert line["speedups"] == {"onednn": 0.25}
    assert line["reasons"] == {"onednn": "0.25 times as fast as the plain steps"}


def test_a_trial_minds_neither_autocast_nor_random_numbers() -> None:
    """And asks nothing of gradients: whoever comes first may be anybody."""
    x = torch.randn(3, 70, 8)
    weight = torch.randn(12, 8)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    with using(FastPaths()) as paths, torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        fast_cpu.linear(x, weight, None)
        (choice,) = paths.choices.values()
    assert not any("numbers" in reason for reason in choice.reasons.values())
    assert torch.equal(torch.get_rng_state(), state)


def test_training_takes_the_plain_path() -> None:
    x, weight = torch.randn(70, 8), torch.randn(12, 8, requires_grad=True)
    with using(FastPaths()) as paths:
        product(x, weight, None).sum().backward()
    assert not paths.choices


def test_every_path_of_the_network_gives_the_plain_numbers() -> None:
    """Those that run on this machine, called by name."""
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 2e-2)):
        x, weight = (example(70, 64, device=CPU, dtype=dtype) for _ in range(2))
        for gelu in (False, True):
            plain = fast_cpu.LINEAR_PATHS[PLAIN](x, weight, None, gelu).float()
            for name in runnable(LINEAR, dtype, gelu):
                given = fast_cpu.LINEAR_PATHS[name](x, weight, None, gelu)
                assert given.dtype == dtype
                assert (given.float() - plain).abs().max() <= tolerance * plain.abs().max(), name


def runnable(operation: Operation, dtype: torch.dtype, gelu: bool) -> list[str]:
    names = ["onednn", "onednn-apart"] + (["float32"] if dtype == torch.bfloat16 else [])
    assert set(names) <= set(operation.paths)
    x = torch.ones(1, 2, dtype=dtype)
    able = []
    for name in names:
        try:
            fast_cpu.LINEAR_PATHS[name](x, x, None, gelu)
            able.append(name)
        except RuntimeError:  # oneDNN has no product of bfloat16 here
            continue
    return able


@pytest.mark.parametrize("path", ["plain", "channels-last", "float32", "channels-last-float32"])
def test_convolutions_by_every_path(path: str) -> None:
    layers = (Conv2d(4, 6, 3, padding=1).bfloat16(), ConvTranspose2d(4, 6, 2, stride=2).bfloat16())
    maps = torch.randn(1, 4, 5, 7)
    for layer in layers:
        wide = type(layer).__base__.forward(layer.float(), maps).detach()
        layer.bfloat16()
        with using(FastPaths(decided={"convolution": path})), torch.no_grad():
            given = layer(maps)
        assert given.dtype == torch.bfloat16
        assert layer.weight.dtype == torch.bfloat16
        assert (given.float() - wide).abs().max() < 3e-2 * wide.abs().max()


@pytest.mark.parametrize(("path", "expected"), [("plain", "float32"), ("bfloat16", "bfloat16")])
def test_auto_takes_bfloat16_where_it_is_faster(
    path: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glance3d.models.zoo.LARGE_NETWORK", 0)
    with using(FastPaths(decided={"precision": path})):
        chosen = _resolve_precision("auto", CPU, build_on_meta(tiny()))
    assert chosen == getattr(torch, expected)


def test_blocks_are_for_long_sequences() -> None:
    with using(FastPaths(decided={"attention": "blocks"})) as paths:
        assert not fast_cpu.attends_in_blocks(10, 20, 16, torch.float32)
        assert not paths.choices
        assert fast_cpu.attends_in_blocks(1024, 1024, 16, torch.float32)
        assert fast_cpu.attends_in_blocks(64, 4096, 16, torch.float32)
        assert len(paths.choices) == 2


def test_real_trials_find_every_float32_path_right() -> None:
    """Whatever is faster here: paths that run give the plain numbers on examples of real kinds."""
    trials = {
        "linear": fast_cpu._linear_trial(70, 64, torch.float32, True),
        "attention": fast_cpu._attention_trial(128, 16, torch.float32),
        "convolution": fast_cpu._convolution_trial(torch.float32),
    }
    with torch.no_grad():
        for name, trial in trials.items():
            assert set(trial) - {PLAIN} <= set(TABLE[name].paths)
            right, reasons = right_ones(trial, 1e-4)
            for path, reason in reasons.items():
                assert "does not run here" in reason, (name, path)
            assert PLAIN in right


def test_an_unknown_dtype_runs_plainly() -> None:
    x = torch.randn(70, 8, dtype=torch.float64)
    with using(FastPaths()) as paths, torch.no_grad():
        torch.testing.assert_close(fast_cpu.linear(x, x, None), F.linear(x, x))
        assert choose(ATTENTION, "any", CPU, torch.float64, dict) == PLAIN
    assert not paths.choices
