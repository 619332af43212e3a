"""How much memory a forward pass will take, before it is run.

``peak = program + weights + workspace + views * per_view + matches``. The sizes are counted from
the network's own shapes: what is kept of every view (pixels, residual stream, queries, keys and
values of the global layer at work, projected layers, outputs), of every pair of views by a network
that matches them, and what is in flight for one chunk. Tracks add their feature maps; their
tracker's own memory, which grows with the query points, is not counted. Where views are seen in
windows, ``views`` are those of one window, and all views' pixels and results wait in the
processor's memory. Before and after the network looks, photos are decoded and files written at the
photos' own size, which may take more (:mod:`glance3d.images.photo_memory`).
"""

import os
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from glance3d.models.config import CorrespondenceConfig, DenseHeadConfig, ModelConfig, Output
from glance3d.models.heads.correspondence import (
    CELLS_PER_PATCH_SIDE,
    MATCHES_OF_A_PAIR,
    PAIRS_AT_A_TIME,
)
from glance3d.models.vggt import VGGT
from glance3d.multiview.matches import SCORES_AT_A_TIME
from glance3d.nn.chunks import CPU_PIXELS, CPU_TOKENS, GPU_PIXELS, GPU_TOKENS, SMALLEST_SCALE
from glance3d.nn.fast.cpu import SCORE_BYTES
from glance3d.out_of_memory import address_space_limit

PROGRAM_BYTES = {"cpu": 400_000_000, "cuda": 500_000_000}  # PyTorch itself and its kernels
FLOAT32 = 4
IMAGE_CHANNELS = 3
# Of a network that matches views: numbers that are kept of a cell and another view, and tensors of
# scores, of patches and of what is known of matches that are in flight together.
MATCH_NUMBERS, SCORE_COPIES, PATCH_COPIES, RELATION_COPIES = 10, 3, 8, 5
MADE = {"depth": 2, "points": 4}  # numbers a pixel, the confidence among them
MARGIN = 0.15  # how far a plan may be from what is then measured
LEAST_WINDOW = 4  # views that are worth advising


@dataclass(frozen=True)
class MemoryPlan:
    """A prediction in bytes, and the chunk scale it is for (1 is the usual, less is slower).

    ``num_views`` are seen at once. If they are a window of more (:mod:`glance3d.windows`), all
    ``num_waiting`` of them wait for the rest, at ``per_waiting`` bytes of the device's memory each.
    """

    num_views: int
    image_size: tuple[int, int]
    outputs: tuple[Output, ...]
    program: int
    weights: int
    workspace: int
    per_view: int
    available: int | None
    chunk_scale: float = 1.0
    num_waiting: int = 0
    per_waiting: int = 0
    views_that_fit: int | None = None  # in one pass, where this does not fit
    window_that_fits: int | None = None  # likewise, in windows
    matches: int = 0  # of all pairs of views, in a network that matches them
    # At the photos' original size: while they are decoded, and while their depth is written.
    decoding: int = 0
    writing: int = 0

    @property
    def peak(self) -> int:
        """The most memory in use at any moment, from the first photo to the last file."""
        return max(self.pass_peak, self._held + max(self.decoding, self.writing))

    @property
    def pass_peak(self) -> int:
        """The most memory in use while the network looks."""
        views = self.num_views * self.per_view + self.num_waiting * self.per_waiting
        return self.program + self.weights + self.workspace + self.matches + views

    @property
    def _held(self) -> int:
        """What is there before and after the network looks: pixels, and what it said of them."""
        height, width = self.image_size
        maps = IMAGE_CHANNELS + sum(MADE.get(output, 0) for output in self.outputs)
        views = max(self.num_views, self.num_waiting)
        return self.program + self.weights + views * maps * height * width * FLOAT32

    @property
    def fits(self) -> bool:
        """Whether the device has so much; taken to be so where it does not say."""
        return self.available is None or self.peak <= self.available

    @property
    def is_hopeless(self) -> bool:
        """Whether a pass cannot fit even if the plan asks for as much too much as it may."""
        return self.available is not None and self.pass_peak > (1 + MARGIN) * self.available

    def _views(self) -> str:
        if not self.num_waiting:
            return f"{self.num_views} views"
        return f"{self.num_waiting} views in windows of {self.num_views}"

    def refusal(self) -> str:
        """One sentence: what it would take, what there is, and what would fit."""
        height, width = self.image_size
        return (
            f"{self._views()} of {width} x {height} pixels would take "
            f"{_gigabytes(self.pass_peak)} of memory and {_gigabytes(self.available or 0)} are to "
            f"be had: use {self.advice()}"
        )

    def sum(self) -> str:
        """The peak, and what there is, in words."""
        have = "" if self.available is None else f" of {_gigabytes(self.available)} to be had"
        return f"{_gigabytes(self.peak)}{have}"

    def lines(self) -> list[str]:
        """For a person: the sum, whether it fits, and what would."""
        height, width = self.image_size
        waiting = f", {self.per_waiting / 1e6:.0f} MB while it waits" if self.num_waiting else ""
        lines = [
            f"{self._views()} of {width} x {height}: {_gigabytes(self.peak)} at the peak",
            f"  program {_gigabytes(self.program)}, weights {_gigabytes(self.weights)}, in flight "
            f"{_gigabytes(self.workspace)}, each view {self.per_view / 1e6:.0f} MB{waiting}",
        ]
        if self.peak > self.pass_peak:
            lines.append(
                f"  at the photos' own size: decoding {_gigabytes(self.decoding)}, writing "
                f"{_gigabytes(self.writing)}"
            )
        if self.available is not None:
            verdict = "fits" if self.fits else "does not fit"
            lines.append(f"  available: {_gigabytes(self.available)}; this {verdict}")
        if not self.fits:
            lines.append(f"  what would: {self.advice()}")
        return lines

    def advice(self) -> str:
        """What to change so that it fits."""
        fixed = self.program + self.weights + self.workspace
        spare = (self.available or 0) - fixed
        ideas = []
        if self.peak > self.pass_peak:
            ideas.append("smaller photos")
        if self.views_that_fit:
            ideas.append(f"at most {self.views_that_fit} views")
            share = spare / (self.pass_peak - fixed)
            height, width = self.image_size
            ideas.append(f"at most {int(share * height * width):,} pixels a view (max_pixels)")
        if (window := self.window_that_fits) is not None:
            ideas.append(f"a window of {window} views (window, --window {window}; approximate)")
        if set(self.outputs) - {"camera"}:
            ideas.append("fewer outputs")
        return ", or ".join([*ideas, "another device"])


def plan_memory(
    network: VGGT,
    num_views: int,
    image_size: tuple[int, int],
    outputs: tuple[Output, ...],
    device: torch.device,
    window: int | None = None,
    *,
    keeps_layers: bool = False,
) -> MemoryPlan:
    """The plan for a network, which may be on the meta device, at its weights' precision.

    ``image_size`` is (height, width); a ``window`` is how many views are seen at a time.
    ``keeps_layers``: the aggregator's layers are kept whole (:meth:`VGGT.encode`), not projected as
    soon as they are made. If the device says how much memory it has, chunks are halved until the
    plan fits, or cannot shrink any more.
    """
    available = available_memory(device)

    def plan_pass(views: int, waiting: int, wanted: tuple[Output, ...]) -> MemoryPlan:
        return _plan_of_pass(
            network, views, waiting, image_size, wanted, device, available, keeps_layers
        )

    def plan_at(views: int, wanted: tuple[Output, ...]) -> MemoryPlan:
        return plan_pass(views, num_views if views < num_views else 0, wanted)

    at_once = num_views if window is None else min(window, num_views)
    plan = plan_at(at_once, outputs)
    if plan.fits:
        return plan

    def fits(views: int) -> bool:
        return plan_pass(views, 0, outputs).fits

    def window_fits(views: int) -> bool:
        return plan_at(views, joinable).fits

    joinable = outputs if "depth" in outputs else (*outputs, "depth")  # depth joins windows
    windows = range(LEAST_WINDOW, at_once) if "tracks" not in outputs else range(0)
    return replace(
        plan,
        views_that_fit=_last_that(fits, range(1, num_views)),
        window_that_fits=_last_that(window_fits, windows),
    )


def _last_that(fits: Callable[[int], bool], counts: range) -> int | None:
    """The largest count that fits, if any does: what fits with more, fits with less."""
    fitting = bisect_left(counts, True, key=lambda views: not fits(views))
    return counts[fitting - 1] if fitting else None


def _plan_of_pass(
    network: VGGT,
    num_views: int,
    num_waiting: int,
    image_size: tuple[int, int],
    outputs: tuple[Output, ...],
    device: torch.device,
    available: int | None,
    keeps_layers: bool,
) -> MemoryPlan:
    config, product = network.config, _product_bytes(network)
    per_view = _view_bytes(config, image_size, outputs, product) + _stem_bytes(network, image_size)
    if keeps_layers:
        per_view += _layers_bytes(config, image_size, outputs)
    plan = MemoryPlan(
        num_views,
        image_size,
        outputs,
        PROGRAM_BYTES.get(device.type, 0),
        _weight_bytes(network, outputs, device),
        0,
        per_view,
        available,
        num_waiting=num_waiting,
        per_waiting=_waiting_bytes(config, image_size, outputs) if device.type == "cpu" else 0,
    )
    plan = replace(plan, matches=_matches_bytes(config, plan))
    scale = 1.0
    while True:
        workspace = _workspace_bytes(config, plan, product, device, scale)
        plan = replace(plan, workspace=workspace, chunk_scale=scale)
        if plan.fits or scale <= SMALLEST_SCALE:
            return plan
        scale /= 2


def available_memory(device: torch.device) -> int | None:
    """Bytes that could be had now, and those that this process holds; None where nobody says."""
    if device.type == "cuda":
        if not torch.cuda.is_available():  # a plan for another machine
            return None
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device)
    counted = (_system_memory(), _group_memory(), _shell_memory())
    return min((free for free in counted if free is not None), default=None)


def _shell_memory() -> int | None:
    """What a limit of this shell (``ulimit -v``) leaves beside what is only mapped."""
    limit = address_space_limit()
    if limit is None:
        return None
    try:
        mapped, held = Path("/proc/self/statm").read_text(encoding="ascii").split()[:2]
        return limit - (int(mapped) - int(held)) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return limit


def _system_memory() -> int | None:
    """What the machine has left, and what this process holds."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        fields = dict(line.split(":") for line in lines)
        free = int(fields["MemAvailable"].split()[0]) * 1024
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        held = pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, KeyError, ValueError):
        return None
    return free + held


def _group_memory() -> int | None:
    """What the control group of a container lets a process have; None where there is no limit."""
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no group, another system, or "max"
        return None


def _product_bytes(network: VGGT) -> int:
    return network.aggregator.get_parameter("frame_blocks.0.mlp.fc1.weight").element_size()


def _weight_bytes(network: VGGT, outputs: tuple[Output, ...], device: torch.device) -> int:
    """On a processor weights that no head needs stay on the disk, if they need no conversion."""
    heads: dict[str, nn.Module | None] = {
        "camera": network.camera_head,
        "matches": network.correspondence_head,
        "depth": network.depth_head,
        "points": network.point_head,
        "tracks": network.track_head,
    }
    needed = (*outputs, "matches") if "camera" in outputs else outputs
    used = [head for name, head in heads.items() if name in needed or device.type != "cpu"]
    return sum(
        parameter.numel() * parameter.element_size()
        for part in (network.aggregator, *used)
        if part is not None
        for parameter in part.parameters()
    )


def _view_bytes(
    config: ModelConfig, size: tuple[int, int], outputs: tuple[Output, ...], product: int
) -> int:
    """What is kept of a view: the larger of the last global layer's and the heads' demands."""
    pixels = size[0] * size[1]
    patches = pixels // config.patch_size**2
    stream = _stream_numbers(config, size)
    images = IMAGE_CHANNELS * pixels * FLOAT32
    heads = _dense_heads(config, outputs)
    # a head for tracks is float32
    kept = [
        [patches * c * (FLOAT32 if name == "tracks" else product) for c in head.channels]
        for name, head in heads.items()
    ]
    made = {**MADE, "tracks": config.tracks.latent_dim / 4 if config.tracks else 0}
    results = sum(int(made[name] * pixels * FLOAT32) for name in heads)
    attending = stream * (2 * FLOAT32 + 4 * product) + sum(sum(levels[:3]) for levels in kept)
    reading = stream * 2 * FLOAT32 + sum(sum(levels) for levels in kept)
    predicting = sum(sum(levels) for levels in kept) + results
    return images + max(attending, reading, predicting)


def _stream_numbers(config: ModelConfig, size: tuple[int, int]) -> int:
    """Of a view's tokens in the residual stream."""
    patches = size[0] * size[1] // config.patch_size**2
    return (patches + 1 + config.aggregator.num_register_tokens) * config.embed_dim


def _layers_bytes(config: ModelConfig, size: tuple[int, int], outputs: tuple[Output, ...]) -> int:
    """A view's layers that heads read, whole: the frame and the global block's outputs."""
    return len(config.layers_needed(outputs)) * 2 * _stream_numbers(config, size) * FLOAT32


def _stem_bytes(network: VGGT, size: tuple[int, int]) -> int:
    """The maps of a stem that are read beside the tokens: 2 x 2 pixels a patch, then 4 x 4."""
    patches = size[0] * size[1] // network.config.patch_size**2
    channels = enumerate(network.aggregator.map_channels)
    return sum(4 ** (1 + finer) * patches * c * FLOAT32 for finer, c in channels)


def _waiting_bytes(config: ModelConfig, size: tuple[int, int], outputs: tuple[Output, ...]) -> int:
    """What is kept of a view before and after it is looked at: its pixels and the results."""
    maps = sum(MADE.get(name, 0) for name in _dense_heads(config, outputs))
    return (IMAGE_CHANNELS + maps) * size[0] * size[1] * FLOAT32


def _workspace_bytes(
    config: ModelConfig, plan: MemoryPlan, product: int, device: torch.device, scale: float
) -> int:
    """What is in flight for one chunk: of tokens in a block, or of views in a dense head."""
    is_cpu = device.type == "cpu"
    pixels = plan.image_size[0] * plan.image_size[1]
    patches = pixels // config.patch_size**2
    view_tokens = patches + 1 + config.aggregator.num_register_tokens
    tokens = (
        max(1, int(scale * (CPU_TOKENS if is_cpu else GPU_TOKENS)) // view_tokens) * view_tokens
    )
    tokens = min(tokens, plan.num_views * view_tokens)
    hidden = config.aggregator.mlp_ratio * product
    if is_cpu:
        in_flight = 4 * FLOAT32 + 6 * product + hidden
    else:  # queries and keys are normed and rotated, or the perceptron's GELU is at work
        in_flight = max(3 * FLOAT32 + 4 * product, FLOAT32 + product + 2 * hidden)
    # of attention in blocks, whether it runs or not: PyTorch's own keeps fewer
    scores = SCORE_BYTES + SCORE_BYTES * product // FLOAT32 if is_cpu else 0
    block = int(tokens * config.embed_dim * in_flight) + scores
    views = max(1, int(scale * (CPU_PIXELS if is_cpu else GPU_PIXELS)) // pixels)
    views = min(views, plan.num_views)
    widest = 0
    for head in _dense_heads(config, plan.outputs).values():
        half = head.features // 2
        eighth = 64 * patches  # pixels of the fused map, eight a patch's side
        enlarged = pixels * half * (product + (FLOAT32 if product != FLOAT32 else 0))
        last = pixels * (head.output_channels + 8) * FLOAT32
        widest = max(widest, eighth * half * product + enlarged + last)
    return max(block, views * widest, _matching_workspace_bytes(config, plan))


def _matches_bytes(config: ModelConfig, plan: MemoryPlan) -> int:
    """Matches of all pairs of views, where the network finds any."""
    if _matching(config, plan) is None:
        return 0
    return plan.num_views**2 * _num_cells(config, plan) * MATCH_NUMBERS * FLOAT32


def _matching_workspace_bytes(config: ModelConfig, plan: MemoryPlan) -> int:
    """One view's cells against all views', then patches around them, then some pairs' relations."""
    matched = _matching(config, plan)
    if matched is None:
        return 0
    cells = _num_cells(config, plan)
    views = min(plan.num_views, max(1, SCORES_AT_A_TIME // cells**2))
    scores = views * cells**2 * SCORE_COPIES
    kept = min(cells, MATCHES_OF_A_PAIR)
    patches = plan.num_views * kept * (2 * matched.sharpen_radius + 1) ** 2 * PATCH_COPIES
    pairs = min(max(PAIRS_AT_A_TIME, plan.num_views), plan.num_views**2)
    relations = pairs * kept * matched.hidden_dim * RELATION_COPIES
    return max(scores, patches, relations) * FLOAT32


def _matching(config: ModelConfig, plan: MemoryPlan) -> CorrespondenceConfig | None:
    """What is matched; one view has no other to match."""
    return config.matching(plan.outputs) if plan.num_views > 1 else None


def _num_cells(config: ModelConfig, plan: MemoryPlan) -> int:
    patches = plan.image_size[0] * plan.image_size[1] // config.patch_size**2
    return patches * CELLS_PER_PATCH_SIDE**2


def _dense_heads(config: ModelConfig, outputs: tuple[Output, ...]) -> dict[str, DenseHeadConfig]:
    heads = {
        "depth": config.depth,
        "points": config.points,
        "tracks": config.tracks.features if config.tracks else None,
    }
    return {name: head for name, head in heads.items() if name in outputs and head is not None}


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
