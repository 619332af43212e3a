"""How much memory a forward pass will take, before it is run.

``peak = program + weights + workspace + views * per_view + matches``. The sizes are counted from
the network's own shapes (:mod:`glance3d.models.memory.pass_sizes`): what is kept of every view
(pixels, residual stream, queries, keys and values of the global layer at work, projected layers,
outputs), of every pair of views by a network that matches them, and what is in flight for one
chunk. Tracks add their feature maps; their tracker's own memory, which grows with the query points,
is not counted. Where views are seen in windows, ``views`` are those of one window, all views'
pixels wait in the processor's memory, and so do the windows' results, unless they go to the disk.
Of several ranks each keeps its share of the views, ``per_view``, and of all views ``per_shared``:
pixels, results, gathered keys and values; a ring gathers none. Before and after the pass, photos
are decoded and
files written at the photos' own size, which may take more (:mod:`glance3d.images.photo_memory`).
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from glance3d.distributed.group import Group
from glance3d.models.architectures import pass_sizes_of
from glance3d.models.config import Output
from glance3d.models.memory.available import available_memory
from glance3d.models.memory.pass_sizes import (
    FLOAT32,
    IMAGE_CHANNELS,
    MAP_CHANNELS,
    POINT_CHANNELS,
    PassSizes,
)
from glance3d.models.network import Network
from glance3d.nn.chunks import SMALLEST_SCALE
from glance3d.pass_options import OVERLAP_SHARE
from glance3d.text import counted, gigabytes

PROGRAM_BYTES = {"cpu": 400_000_000, "cuda": 500_000_000}  # PyTorch itself and its kernels
MARGIN = 0.15  # how far a plan may be from what is then measured
LEAST_WINDOW = 4  # views that are worth advising
_HOLDERS_OF_VIEW = OVERLAP_SHARE / (OVERLAP_SHARE - 1)  # windows a view, as they usually overlap


@dataclass(frozen=True)
class MemoryPlan:
    """A prediction in bytes, and the chunk scale it is for (1 is the usual, less is slower).

    ``num_views`` are seen at once. If they are a window of more (:mod:`glance3d.windows`), all
    ``num_waiting`` of them wait for the rest, at ``per_waiting`` bytes of the device's memory each;
    ``per_stored`` of these are results of windows, which stay until the scene is made of them.
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
    per_stored: int = 0
    views_that_fit: int | None = None  # in one pass, where this does not fit
    window_that_fits: int | None = None  # likewise, in windows
    matches: int = 0  # of all pairs of views, in a network that matches them
    ranks: int = 1  # which share the views; this is the memory of the one that has most
    per_shared: int = 0
    by_ring: bool = False
    # At the photos' original size: while they are decoded, and while their depth is written.
    decoding: int = 0
    writing: int = 0

    @property
    def peak(self) -> int:
        """The most memory in use at any moment, from the first photo to the last file."""
        return max(self.pass_peak, self._held + max(self.decoding, self.writing))

    @property
    def pass_peak(self) -> int:
        """The most memory in use during the pass."""
        own = -(-self.num_views // self.ranks)
        views = own * self.per_view + self.num_views * self.per_shared
        views += self.num_waiting * self.per_waiting
        return self.program + self.weights + self.workspace + self.matches + views

    @property
    def _held(self) -> int:
        """What is held before and after the pass: pixels in bytes, predictions, world points."""
        height, width = self.image_size
        maps = sum(MAP_CHANNELS.get(output, 0) for output in self.outputs)
        points = POINT_CHANNELS if "depth" in self.outputs else 0  # unprojected
        of_pixel = IMAGE_CHANNELS + (maps + points) * FLOAT32
        views = max(self.num_views, self.num_waiting)
        stored = self.num_waiting * self.per_stored
        return self.program + self.weights + stored + views * of_pixel * height * width

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
            return counted(self.num_views, "view")
        return f"{self.num_waiting} views in windows of {self.num_views}"

    def _ranks(self) -> str:
        if self.ranks == 1:
            return ""
        how = "passed round a ring" if self.by_ring else "gathered"
        return f" of each of {self.ranks} ranks, keys and values {how}"

    def refusal(self) -> str:
        """One sentence: what it would take, what there is, and what would fit."""
        height, width = self.image_size
        return (
            f"{self._views()} of {width} x {height} pixels would take "
            f"{gigabytes(self.pass_peak)} of memory and {gigabytes(self.available or 0)} are to "
            f"be had: use {self.advice()}"
        )

    def sum(self) -> str:
        """The peak, and what there is, in words."""
        have = "" if self.available is None else f" of {gigabytes(self.available)} to be had"
        return f"{gigabytes(self.peak)}{have}"

    def lines(self) -> list[str]:
        """For a person: the sum, whether it fits, and what would."""
        height, width = self.image_size
        waiting = f", {self.per_waiting / 1e6:.0f} MB while it waits" if self.num_waiting else ""
        of_all = f", of all ranks' {self.per_shared / 1e6:.0f} MB"
        shared = " of its own" + of_all if self.ranks > 1 else ""
        lines = [
            f"{self._views()} of {width} x {height}: {gigabytes(self.peak)} at the peak"
            f"{self._ranks()}",
            f"  program {gigabytes(self.program)}, weights {gigabytes(self.weights)}, in flight "
            f"{gigabytes(self.workspace)}, each view {self.per_view / 1e6:.0f} MB{shared}"
            f"{waiting}",
        ]
        if self.peak > self.pass_peak:
            lines.append(
                f"  at the photos' own size: decoding {gigabytes(self.decoding)}, writing "
                f"{gigabytes(self.writing)}"
            )
        if self.available is not None:
            verdict = "fits" if self.fits else "does not fit"
            lines.append(f"  available: {gigabytes(self.available)}; this {verdict}")
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
            ideas.append(f"at most {counted(self.views_that_fit, 'view')}")
            share = spare / (self.pass_peak - fixed)
            height, width = self.image_size
            ideas.append(f"at most {int(share * height * width):,} pixels a view (max_pixels)")
        if (window := self.window_that_fits) is not None:
            ideas.append(f"a window of {window} views (window, --window {window}; approximate)")
        if set(self.outputs) - {"camera"}:
            ideas.append("fewer outputs")
        return ", or ".join([*ideas, "another device"])


def plan_memory(
    network: Network,
    num_views: int,
    image_size: tuple[int, int],
    outputs: tuple[Output, ...],
    device: torch.device,
    window: int | None = None,
    *,
    keeps_layers: bool = False,
    group: Group | None = None,
    on_disk: bool = False,
) -> MemoryPlan:
    """The plan for a network, which may be on the meta device, at its weights' precision.

    ``image_size`` is (height, width); a ``window`` is how many views are seen at a time.
    ``keeps_layers``: the aggregator's layers are kept whole (:meth:`VGGT.encode`), not projected as
    soon as they are made. ``on_disk``: results of windows are files. If the device says how much
    memory it has, chunks are halved until the plan fits, or cannot shrink any more. The ranks of a
    ``group`` share the views; where its keys are "auto", they are passed round a ring if the plan
    does not fit otherwise.
    """
    available, group = available_memory(device), group or Group()
    if device.type == "cpu" and available is not None:
        available //= group.launch.local_size

    def plan_pass(views: int, waiting: int, wanted: tuple[Output, ...]) -> MemoryPlan:
        def plan_with(by_ring: bool) -> MemoryPlan:
            sizes = pass_sizes_of(network, views, image_size, wanted, device)
            return _plan_of_pass(sizes, waiting, available, keeps_layers, group, by_ring, on_disk)

        plan = plan_with(group.size > 1 and group.keys == "ring")
        if plan.fits or group.size == 1 or group.keys != "auto":
            return plan
        ring = plan_with(True)
        return ring if ring.pass_peak < plan.pass_peak else plan

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
    sizes: PassSizes,
    num_waiting: int,
    available: int | None,
    keeps_layers: bool,
    group: Group,
    by_ring: bool,
    on_disk: bool,
) -> MemoryPlan:
    is_cpu = sizes.device.type == "cpu"
    stored = 0 if on_disk or not is_cpu else int(_HOLDERS_OF_VIEW * sizes.results())
    plan = MemoryPlan(
        sizes.num_views,
        sizes.image_size,
        sizes.outputs,
        PROGRAM_BYTES.get(sizes.device.type, 0),
        sizes.weights(),
        0,
        sizes.of_view(keeps_layers) + (sizes.of_passing_view() if by_ring else 0),
        available,
        num_waiting=num_waiting,
        per_waiting=stored + (sizes.of_waiting_view() if is_cpu else 0),
        per_stored=stored,
        matches=sizes.matches(),
        ranks=group.size,
        per_shared=sizes.of_shared_view(by_ring=by_ring) if group.size > 1 else 0,
        by_ring=by_ring,
    )
    scale = 1.0
    while True:
        plan = replace(plan, workspace=sizes.workspace(scale), chunk_scale=scale)
        if plan.fits or scale <= SMALLEST_SCALE:
            return plan
        scale /= 2
