"""What is measured: our network and its twin, each ready to run on the same weights."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.da3_twin import CONFIGS as DA3_CONFIGS
from benchmarks.da3_twin import DA3Twin, load_twin, normalise
from benchmarks.twin import Twin
from glance3d.models import Network, load_model
from glance3d.multiview.reconcile import reconcile
from glance3d.types import Predictions

DENSE = ("camera", "depth", "points")


@dataclass(frozen=True)
class Case:
    """One way of computing cameras, depth and points. ``key`` names it on the command line.

    Depth Anything 3 has rays where VGGT has points (`outputs_of`).
    """

    key: str
    title: str
    precision: str
    is_twin: bool = False
    outputs: tuple[str, ...] = DENSE
    attention: str = "full"


CASES = {
    case.key: case
    for case in (
        Case("twin-f32", "twin of the published design, float32", "float32", is_twin=True),
        Case("twin-bf16", "the twin, aggregator in bfloat16", "bfloat16", is_twin=True),
        Case("f32", "Glance3D, float32", "float32"),
        Case("f32-cd", "Glance3D, float32, camera and depth", "float32", outputs=DENSE[:2]),
        Case("bf16", "Glance3D, bfloat16", "bfloat16"),
        Case("bf16-cd", "Glance3D, bfloat16, camera and depth", "bfloat16", outputs=DENSE[:2]),
        Case("bf16-thin", "Glance3D, bfloat16, thin attention", "bfloat16", attention="thin"),
    )
}


def outputs_of(case: Case, model: str) -> tuple[str, ...]:
    """What the model is asked for: rays instead of points if it is a Depth Anything 3."""
    names = {"points": "rays"} if model in DA3_CONFIGS else {}
    return tuple(names.get(output, output) for output in case.outputs)


Run = Callable[[Tensor], dict[str, Tensor]]


class Loader:
    """Networks by precision, each loaded once; VGGT's twin shares the float32 one's tensors."""

    def __init__(self, model: str, weights: Path | None, device: str) -> None:
        self.model, self.weights, self.device = model, weights, device
        self._networks: dict[str, Network] = {}
        self._twin: Twin | DA3Twin | None = None

    def runner(self, case: Case) -> Run:
        """The case as a function of images ``[S,3,H,W]``."""
        if case.is_twin:
            return self._twin_runner(case.precision == "bfloat16")
        network, outputs = self.network(case.precision), outputs_of(case, self.model)

        def run(images: Tensor) -> dict[str, Tensor]:
            extra = {} if case.attention == "full" else {"attention": case.attention}
            predictions: Predictions = network(images, outputs=outputs, **extra)
            published = reconcile(predictions).as_dict()
            return {k: v for k, v in published.items() if isinstance(v, Tensor)}

        return run

    def network(self, precision: str) -> Network:
        """The network at a precision, loaded once."""
        if precision not in self._networks:
            self._networks[precision] = load_model(
                self.model, weights=self.weights, device=self.device, precision=precision
            )
        return self._networks[precision]

    def _twin_runner(self, bfloat16: bool) -> Run:
        if self._twin is None:
            self._twin = self._load_twin()
        twin = self._twin
        if isinstance(twin, DA3Twin):
            return lambda images: twin(normalise(images)[None], bfloat16=bfloat16)
        return lambda images: twin(images, bfloat16=bfloat16)

    def _load_twin(self) -> Twin | DA3Twin:
        if self.model in DA3_CONFIGS:
            if self.weights is None:
                raise ValueError("the twin of Depth Anything 3 must have a file: give --weights")
            return load_twin(self.model, self.weights).to(self.device)
        network = load_model(
            self.model, weights=self.weights, device=self.device, precision="float32"
        )
        with torch.device("meta"):
            twin = Twin(network.config)
        state = network.state_dict()
        names = twin.state_dict().keys()
        twin.load_state_dict({name: state[name] for name in names}, assign=True)
        return twin.eval().requires_grad_(False)


def random_photos(views: int, size: tuple[int, int], device: str, seed: int = 0) -> Tensor:
    """Smooth noise ``[S,3,H,W]`` of (width, height): speed does not depend on the contents."""
    generator = torch.Generator().manual_seed(seed)
    width, height = size
    coarse = torch.rand(views, 3, height // 14, width // 14, generator=generator)
    images = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return images.to(device)


def timed(run: Run, images: Tensor) -> tuple[float, dict[str, Tensor]]:
    """Seconds of one forward pass, the device's work included, and its outputs."""
    with torch.inference_mode():
        wait_for(images.device)
        start = time.perf_counter()
        outputs = run(images)
        wait_for(images.device)
        return time.perf_counter() - start, outputs


def wait_for(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
