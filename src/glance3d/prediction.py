"""Passes of the network over a batch: one, or one a window; what they take is planned first."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor
from tqdm import tqdm

from glance3d.errors import InputError, NotEnoughMemoryError
from glance3d.images.photo_memory import bytes_at_original_size
from glance3d.models import VGGT
from glance3d.models.checks import check_outputs, check_pixel_values
from glance3d.models.memory.oom_retry import retry_with_smaller_chunks
from glance3d.models.memory.plan import MemoryPlan, plan_memory
from glance3d.nn.progress import on_layer_done
from glance3d.out_of_memory import is_out_of_memory
from glance3d.types import ImageBatch, Predictions
from glance3d.windows import WindowAlignment, WindowOptions, lay_out, predict_in_windows


def predict_from(
    network: VGGT,
    batch: ImageBatch,
    reference: int,
    outputs: Sequence[str] = ("camera", "depth"),
    query_points: Tensor | None = None,
    attention: str = "full",
    *,
    progress: bool = False,
) -> Predictions:
    """As :func:`predict`, the network seeing this view first; answers in the batch's order."""
    if reference == 0:
        return predict(network, batch, outputs, query_points, attention, progress=progress)
    order = [reference, *(view for view in range(len(batch.names)) if view != reference)]
    back = sorted(range(len(order)), key=order.__getitem__)
    shown = batch.reordered(order)
    predictions = predict(network, shown, outputs, query_points, attention, progress=progress)
    return predictions.reordered(back)


def predict(
    network: VGGT,
    batch: ImageBatch,
    outputs: Sequence[str] = ("camera", "depth"),
    query_points: Tensor | None = None,
    attention: str = "full",
    *,
    progress: bool = False,
) -> Predictions:
    """One pass of the network over a batch, on the network's device, without gradients.

    ``query_points`` are ``[N, 2]`` pixels of the reference view on the network's grid. Focal
    lengths that the photos' files state are handed on. Chunks are as small as the memory plan says.
    On a processor, where the system would end the process without a word, what cannot fit is
    refused. ``progress`` shows a bar on stderr: layers of the network, and the heads as one.
    """
    device = device_of(network)
    plan = plan_of(network, batch, outputs)
    if device.type == "cpu" and plan.is_hopeless:
        raise NotEnoughMemoryError(plan.refusal())
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    if device.type != "cpu":
        check_pixel_values(batch.images)  # here they are at hand; the forward does not wait to look
    images = batch.images.to(device)
    queries = None if query_points is None else query_points.to(device)

    num_layers = network.config.layers_needed(plan.outputs)[-1] + 1
    bar = tqdm(total=num_layers + 1, desc="network", unit="layer", disable=not progress)

    def run() -> Predictions:
        bar.reset()  # it may be once more, in smaller chunks
        predictions = network(
            images,
            query_points=queries,
            outputs=tuple(outputs),
            attention=attention,
            focal_lengths=batch.focal_lengths,
        )
        bar.update()
        return predictions

    with torch.inference_mode(), enough_memory(batch, plan), bar, on_layer_done(bar.update):
        return retry_with_smaller_chunks(run, plan.chunk_scale)


def predict_windows(
    network: VGGT,
    batch: ImageBatch,
    windows: WindowOptions,
    reference: int = 0,
    outputs: Sequence[str] = ("camera", "depth"),
    attention: str = "full",
    *,
    progress: bool = False,
) -> tuple[Predictions, tuple[WindowAlignment, ...]]:
    """As :func:`predict_from`, but in windows, on the CPU; and how well they fit. Approximate.

    Depth joins windows, so that it is predicted even where it is not among ``outputs``.
    """
    if network.config.depth is None:
        raise InputError(
            f"windows are joined by depth, which {network.config.name} does not predict: use "
            "another model, or no window"
        )
    needed = outputs_of_windows(outputs)
    plan = plan_of(network, batch, needed, windows)
    if device_of(network).type == "cpu" and plan.is_hopeless:
        raise NotEnoughMemoryError(plan.refusal())

    def look(views: Sequence[int]) -> Predictions:
        return predict(network, batch.reordered(views), needed, None, attention)

    layout = lay_out(len(batch.names), windows, reference)
    said, joins = predict_in_windows(look, layout, batch.usable_mask, progress=progress)
    if "depth" not in outputs:
        said = replace(said, depth=None, depth_conf=None)
    return said, joins


def plan_of(
    network: VGGT,
    batch: ImageBatch,
    outputs: Sequence[str],
    windows: WindowOptions | None = None,
    device: torch.device | None = None,
) -> MemoryPlan:
    """The memory that :func:`predict` will take for these photos, or :func:`predict_windows`.

    By default on the network's device.
    """
    num_views, _, height, width = batch.images.shape
    at_once = windows.views if windows is not None and windows.divides(num_views) else None
    asked = outputs if at_once is None else outputs_of_windows(outputs)
    wanted = check_outputs(tuple(asked), network.config.outputs, "tracks" in outputs)
    size = (height, width)
    device = device or device_of(network)
    plan = plan_memory(network, num_views, size, wanted, device, at_once)
    if device.type != "cpu":  # photos wait in the processor's memory
        return plan
    decoding, writing = bytes_at_original_size(batch)
    return replace(plan, decoding=decoding, writing=writing if "depth" in wanted else 0)


def outputs_of_windows(outputs: Sequence[str]) -> tuple[str, ...]:
    """What is predicted in windows: depth joins them, asked for or not."""
    return tuple(dict.fromkeys(("camera", "depth", *outputs)))


def device_of(network: VGGT) -> torch.device:
    """Where the network's parameters are."""
    return next(network.parameters()).device


@contextmanager
def enough_memory(batch: ImageBatch, plan: MemoryPlan | None = None) -> Iterator[None]:
    """Turn the many ways of running out of memory into one sentence, with what was planned."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        num_views, _, height, width = batch.images.shape
        planned = "" if plan is None else f" (planned: {plan.sum()})"
        raise NotEnoughMemoryError(
            f"{num_views} views of {width} x {height} pixels do not fit into memory{planned}: use "
            "fewer photos or outputs, fewer pixels (max_pixels), fewer at a time (window; "
            "approximate), another device, or close other programs"
        ) from error
