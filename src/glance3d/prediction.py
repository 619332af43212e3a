"""The one door into a network: passes over a batch, planned first, as one or in windows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.distributed.group import Group, current_group
from glance3d.errors import InputError, NotEnoughMemoryError
from glance3d.images.photo_memory import bytes_at_original_size
from glance3d.images.physical_cameras import physical_camera_ids, unstated_lens_ids
from glance3d.images.query_points import queries_on_grid
from glance3d.models import Network
from glance3d.models.checks import check_outputs, check_pixel_values
from glance3d.models.given_cameras import GivenFit, normalise_given, with_given
from glance3d.models.memory.oom_retry import retry_with_smaller_chunks
from glance3d.models.memory.plan import MemoryPlan, plan_memory
from glance3d.models.photo_descriptors import describe_photos
from glance3d.models.reference_view import ReferenceChoice, choose_reference
from glance3d.models.vggt.upside_down import (
    find_upside_down,
    turned_images,
    turned_predictions,
)
from glance3d.models.vggt.view_groups import (
    NOTHING_IN_COMMON,
    groups_of_views,
    likeness_of_views,
)
from glance3d.multiview.reconcile import reconcile
from glance3d.nn.chunks import smaller_chunks
from glance3d.nn.progress import on_layer_done
from glance3d.out_of_memory import is_out_of_memory
from glance3d.pass_options import PassOptions, WindowOptions
from glance3d.progress import ProgressBar
from glance3d.retrieval import photo_likeness
from glance3d.text import counted
from glance3d.types import Cameras, ImageBatch, Predictions
from glance3d.windows import MemoryStore, WindowGraph, WindowStore, lay_out, predict_in_windows
from glance3d.windows.disk import DiskUse, WindowFolder, WindowKeys

T = TypeVar("T")
_DEFAULTS = PassOptions()


class PassResult(NamedTuple):
    """What a network predicts, and what a report says of it.

    ``graph`` says how windows were joined, None where one pass sees all views; ``given_fits`` how
    given cameras fit what the network predicts: one entry for each pass that got them. ``groups``
    are those of views between which one pass finds nothing in common; none where there are not two.
    """

    predictions: Predictions
    graph: WindowGraph | None = None
    given_fits: tuple[GivenFit | None, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()


def predict(
    model: Network, batch: ImageBatch, options: PassOptions = _DEFAULTS, *, progress: bool = False
) -> Predictions:
    """Predict cameras, depth, points and tracks of a batch of photos by one network.

    The network runs on its own device, without gradients, in chunks that fit its memory plan. Focal
    lengths from the photos' files are used where the network takes them. So are the batch's
    ``known_cameras``: what is predicted has these cameras, and depth is in their unit of length, or
    in the network's own where one view or cameras at one place tell none. Views keep the batch's
    order; the world is the camera frame of the reference view, or that of the known cameras.

    Args:
        model: A network, as :func:`glance3d.load_model` gives it.
        batch: Photos on the network's grid (:func:`glance3d.load_images`).
        options: What to predict, and how: attention, windows, reference view.
        progress: Show bars on stderr: layers of the network, and the heads as one; or windows.

    Returns:
        Predictions of one scene, so that their first dimension is 1; in windows, on the CPU.

    Raises:
        InputError: The network cannot predict this, or a query point lies outside its photo.
        NotEnoughMemoryError: It does not fit into memory.
    """
    return predict_and_align(model, batch, options, progress=progress).predictions


def predict_and_align(
    network: Network,
    batch: ImageBatch,
    options: PassOptions,
    *,
    choice: ReferenceChoice | None = None,
    keep_in: WindowFolder | None = None,
    progress: bool = False,
) -> PassResult:
    """As :func:`predict`, and how windows and given cameras fitted.

    ``choice`` is the reference view, where it was chosen before. With ``keep_in`` windows are files
    until their scene is written, by which a run that was stopped goes on, and not in memory;
    predictions are then of no network's own kind.
    """
    refuse_impossible(network, options)
    if choice is None:
        choice = choose_reference(network, batch, options.reference)
    windows = options.windows
    if windows is not None and windows.divides(len(batch.names)):
        return _predict_windows(network, batch, options, windows, choice, keep_in, progress)
    queries = options.queries
    on_grid = None if queries is None else queries_on_grid(queries, batch, choice.view)
    order = [choice.view, *(view for view in range(len(batch.names)) if view != choice.view)]
    if choice.view == 0:
        return _predict_once(network, batch, options, on_grid, progress)
    result = _predict_once(network, batch.of_views(order), options, on_grid, progress)
    as_given = sorted(range(len(order)), key=order.__getitem__)
    groups = tuple(sorted(tuple(sorted(order[view] for view in one)) for one in result.groups))
    return result._replace(predictions=result.predictions.of_views(as_given), groups=groups)


def refuse_impossible(network: Network, options: PassOptions) -> None:
    """Refuse what no photos could be shown this network for, which may be an outline.

    Raises:
        InputError: it does not predict what is asked for, or what that takes.
    """
    outputs = options.outputs or ("camera",)
    check_outputs(outputs, network.config.outputs, options.queries is not None)
    _camera_source(network, options)
    if options.windows is not None and "depth" not in network.config.outputs:
        raise InputError(
            f"windows are joined by depth, which {network.config.name} does not predict: use "
            "another model, or no window"
        )


def _predict_once(
    network: Network,
    batch: ImageBatch,
    options: PassOptions,
    queries: Float[Tensor, "queries 2"] | None = None,
    progress: bool = False,
) -> PassResult:
    """One pass that sees the first view first; queries are pixels of its grid."""
    device_queries = None if queries is None else queries.to(network.device)
    given = _cameras_on_grid(network, batch)
    outputs = tuple(options.outputs)
    extra: dict[str, Any] = _camera_source(network, options)
    if given is not None or "rays" in outputs:  # cameras tell the unit of length, and rays' world
        outputs = tuple(dict.fromkeys(("camera", *outputs)))
    if given is not None:
        shown = normalise_given(given.cam_from_world), given.intrinsics
        extra["cameras"] = tuple(values.float().to(network.device) for values in shown)

    def forward(images: Float[Tensor, "views 3 height width"]) -> Predictions:
        return network(
            images,
            query_points=device_queries,
            outputs=outputs,
            attention=options.attention,
            focal_lengths=batch.focal_lengths,
            camera_ids=unstated_lens_ids(batch),
            **extra,
        )

    def run(images: Float[Tensor, "views 3 height width"]) -> PassResult:
        predictions = forward(images)
        likeness = likeness_of_views(predictions)
        turned = current_group().numbers_of_first(
            find_upside_down(network, images, predictions, likeness), len(images)
        )
        if not turned:
            return PassResult(reconcile(predictions), groups=_groups(likeness))
        del predictions  # the second pass needs the memory
        predictions = forward(turned_images(images, turned))
        groups = _groups(likeness_of_views(predictions))
        return PassResult(turned_predictions(reconcile(predictions), turned), groups=groups)

    computed = (*outputs, *options.computed)
    result = run_as_planned(network, batch, computed, run, progress=progress)
    if given is None:
        return result._replace(predictions=result.predictions.in_first_camera())
    predictions, fit = with_given(result.predictions, given)
    return PassResult(predictions, given_fits=(fit,))


def _groups(likeness: Float[Tensor, "views views"] | None) -> tuple[tuple[int, ...], ...]:
    """Of views that a pass finds alike; none if all are one."""
    if likeness is None:
        return ()
    groups = groups_of_views(likeness, NOTHING_IN_COMMON)
    return groups if len(groups) > 1 else ()


def _camera_source(network: Network, options: PassOptions) -> dict[str, str]:
    """What the network is told of where its cameras should come from: nothing if as usual."""
    if options.cameras_from == "decoder":
        return {}
    if "rays" not in network.config.outputs:
        raise InputError(
            f"cameras_from must be decoder for {network.config.name}, which predicts no rays, got "
            f"{options.cameras_from!r}"
        )
    return {"cameras_from": options.cameras_from}


def _cameras_on_grid(network: Network, batch: ImageBatch) -> Cameras | None:
    """The known cameras of all views for the network's grid; None where it takes none."""
    if batch.known_cameras is None or not network.takes_cameras:
        return None
    return batch.known_cameras.double().on_grid(batch.placements)


def run_as_planned(
    network: Network,
    batch: ImageBatch,
    outputs: Sequence[str],
    run: Callable[[Float[Tensor, "views 3 height width"]], T],
    *,
    keeps_layers: bool = False,
    progress: bool = False,
) -> T:
    """``run`` of the batch's images, on the network's device, without gradients.

    Chunks are as small as the memory plan for these outputs says, and smaller if memory runs out
    after all. On a processor, where the system would end the process without a word, what cannot
    fit is refused. ``keeps_layers``: ``run`` calls :meth:`VGGT.encode`, which keeps the
    aggregator's layers whole.
    """
    device, group = network.device, current_group()
    plan = plan_of(network, batch, outputs, keeps_layers=keeps_layers)
    _refuse_hopeless(plan, device)
    (by_ring,) = group.most(float(plan.by_ring))  # one rank that needs it is enough
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    images = batch.images
    if device.type != "cpu":
        check_pixel_values(images)  # here they are at hand; the forward does not wait to look
    images = images.to(device)
    num_steps = network.config.num_steps(plan.outputs)
    bar = ProgressBar(total=num_steps + 1, desc="network", unit="layer", disable=not progress)

    def run_once() -> T:
        bar.reset()  # it may be once more, in smaller chunks
        result = run(images)
        bar.update()
        return result

    def run_shared() -> T:
        """Ranks take every step together, so that none begins again in smaller chunks."""
        with smaller_chunks(plan.chunk_scale), group.passing_keys(by_ring=bool(by_ring)):
            return run_once()

    with torch.inference_mode(), enough_memory(batch, plan), bar, on_layer_done(bar.update):
        if group.size > 1:
            return run_shared()
        return retry_with_smaller_chunks(run_once, plan.chunk_scale)


def _refuse_hopeless(plan: MemoryPlan, device: torch.device) -> None:
    if device.type == "cpu" and plan.is_hopeless:
        raise NotEnoughMemoryError(plan.refusal())


def _predict_windows(
    network: Network,
    batch: ImageBatch,
    options: PassOptions,
    windows: WindowOptions,
    reference: ReferenceChoice,
    keep_in: WindowFolder | None,
    progress: bool,
) -> PassResult:
    """In windows, on the CPU; and how well they fit. Approximate.

    Depth joins windows, so that it is predicted even where it is not among the outputs.
    """
    needed = outputs_of_windows(options.outputs)
    plan = plan_of(network, batch, needed, windows, on_disk=keep_in is not None)
    _refuse_hopeless(plan, network.device)
    of_window = PassOptions(needed, attention=options.attention, cameras_from=options.cameras_from)

    group, num_views = current_group(), len(batch.names)
    # What waits in a folder of the first rank, and so which passes are missing, it knows alone.
    leads = group.size > 1 and group.number_of_first(float(keep_in is not None)) > 0
    if leads and not group.is_first:
        while views := group.numbers_of_first([], num_views):
            _predict_once(network, batch.of_views(views), of_window)
        return PassResult(Predictions(batch.image_size))
    is_given, likeness = _cameras_on_grid(network, batch) is not None, None
    # Given cameras say how photos lie to each other; ranks that lead themselves must not differ.
    if not is_given and (leads or group.size == 1):
        likeness = reference.alike
        if likeness is None:
            likeness = photo_likeness(describe_photos(network, batch, progress=progress))
    layout = lay_out(num_views, windows, reference.view, likeness)
    store: WindowStore = MemoryStore()
    if keep_in is not None:
        use = DiskUse.of(layout, batch, needed, loops=likeness is not None)
        store = keep_in.open(WindowKeys(network, batch, of_window), layout, use)

    def predict_views(views: Sequence[int]) -> Predictions:
        if leads:
            group.numbers_of_first(list(views), num_views)
        result = _predict_once(network, batch.of_views(views), of_window)
        if result.given_fits:
            store.given_fits[layout.index(tuple(views))] = result.given_fits
        return result.predictions

    predictions, graph = predict_in_windows(
        predict_views,
        layout,
        batch.usable_mask,
        store=store,
        likeness=likeness,
        camera_ids=physical_camera_ids(batch.placements, batch.metadata),
        in_one_world=is_given,
        progress=progress,
    )
    if leads:
        group.numbers_of_first([], num_views)
    if "depth" not in options.outputs:
        predictions = replace(predictions, depth=None, depth_conf=None)
    fits = [fit for _, of_window in sorted(store.given_fits.items()) for fit in of_window]
    return PassResult(predictions, graph, tuple(fits))


def plan_of(
    network: Network,
    batch: ImageBatch,
    outputs: Sequence[str],
    windows: WindowOptions | None = None,
    device: torch.device | None = None,
    *,
    keeps_layers: bool = False,
    group: Group | None = None,
    on_disk: bool = False,
) -> MemoryPlan:
    """The memory that :func:`predict` will take for these photos, in one pass or in windows.

    By default on the network's device, of a rank of the present group. ``keeps_layers`` is as in
    :func:`run_as_planned`; ``on_disk``: windows are files until their scene is written.
    """
    num_views = len(batch.names)
    at_once = windows.views if windows is not None and windows.divides(num_views) else None
    needed = outputs if at_once is None else outputs_of_windows(outputs)
    wanted = check_outputs(tuple(needed), network.config.outputs, "tracks" in outputs)
    device = device or network.device
    plan = plan_memory(
        network,
        num_views,
        batch.image_size,
        wanted,
        device,
        at_once,
        keeps_layers=keeps_layers,
        group=group or current_group(),
        on_disk=on_disk,
    )
    if device.type != "cpu":  # photos wait in the processor's memory
        return plan
    decoding, writing = bytes_at_original_size(batch, exact=network.preprocessing.is_exact)
    return replace(plan, decoding=decoding, writing=writing if "depth" in wanted else 0)


def outputs_of_windows(outputs: Sequence[str]) -> tuple[str, ...]:
    """What is predicted in windows: depth joins them, asked for or not."""
    return tuple(dict.fromkeys(("camera", "depth", *outputs)))


@contextmanager
def enough_memory(batch: ImageBatch, plan: MemoryPlan | None = None) -> Iterator[None]:
    """Turn the many ways of running out of memory into one sentence, with what was planned."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        num_views, (height, width) = len(batch.names), batch.image_size
        planned = "" if plan is None else f" (planned: {plan.sum()})"
        raise NotEnoughMemoryError(
            f"{counted(num_views, 'view')} of {width} x {height} pixels do not fit into memory"
            f"{planned}: use fewer photos or outputs, fewer pixels (max_pixels), fewer at a time "
            "(window; approximate), another device, or close other programs"
        ) from error
