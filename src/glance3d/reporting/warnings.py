"""What a person should know before trusting a scene that the network has just made."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.models import Network
from glance3d.nn.fast.attention_backend import PLAIN
from glance3d.pass_options import WindowOptions
from glance3d.reporting.better_model import better_model_warnings
from glance3d.reporting.given_cameras import given_camera_warnings
from glance3d.text import counted, first_names, named_groups
from glance3d.types import ImageBatch, PhotoMetadata, Placement, Reconstruction, ReportWarning
from glance3d.types.report_sections import MadeReport
from glance3d.windows import WindowGraph, window_warnings

#: The codes of warnings that refinement may settle.
FOCAL_LENGTHS, MODEL_LIMITS, GROUPS = "focal_lengths", "model_limits", "groups"
# Above this share of the network's grid, padding costs more than it is worth keeping quiet about.
_NOTABLE_PADDING = 0.2
# Below this share of a photo, a crop takes what whole patches leave over.
_NOTABLE_CUT = 0.05
_NOTABLE_FACTOR = 1.3  # between a focal length that a file states and a network's
_NAMED_PHOTOS = 10


def warnings_of_making(
    network: Network,
    batch: ImageBatch,
    scene: Reconstruction,
    made: MadeReport,
    windows: WindowOptions | None,
    graph: WindowGraph | None,
) -> tuple[ReportWarning, ...]:
    """What the weights' card, the photos, the scene itself and the way of predicting say."""
    clips = [warning for clip in batch.clips for warning in clip.warnings]
    device = network.device
    by_cameras = given_camera_warnings(network, made.given_cameras)
    are_given = (made.given_cameras or {}).get("to_network", False)
    by_windows = window_warnings(windows, graph, batch.names)
    return (
        *model_warnings(network),
        *ReportWarning.each("made", "photos", photo_warnings(batch)),
        *ReportWarning.each("made", "clips", clips),
        *ReportWarning.each("made", "masks", mask_warnings(batch)),
        *scene_warnings(scene, batch.known_focal_lengths),
        *ReportWarning.each("made", "attention", attention_warnings(made.attention or {}, device)),
        *ReportWarning.each("made", "windows", by_windows),
        *ReportWarning.each("made", GROUPS, group_warnings(made.groups or ())),
        *(() if are_given else better_model_warnings(network.card, scene, "made")),
        *ReportWarning.each("made", "given_cameras", by_cameras),
    )


def model_warnings(network: Network) -> list[ReportWarning]:
    """What the weights' card says a user should know first."""
    card = network.card
    if card is None:
        return []
    texts = {"model_note": card.note, MODEL_LIMITS: card.limits}
    return [ReportWarning("made", code, card.warning(text)) for code, text in texts.items() if text]


def attention_warnings(described: Mapping[str, Any], device: torch.device) -> list[str]:
    """That a GPU has no fused kernel for it, which nobody would notice before memory runs out."""
    if device.type == "cpu" or described["backend"] != PLAIN:
        return []
    return [
        "attention runs by plain products on this GPU, slowly and in memory that grows with the "
        "square of the views: PyTorch has no fused kernel here for this precision; try another"
    ]


def group_warnings(groups: Sequence[Sequence[str]]) -> list[str]:
    """That photos may be of several places."""
    if not groups:
        return []
    return [
        f"the network finds nothing in common between {len(groups)} groups of the photos: "
        f"{named_groups(groups)}; where these are to each other is a guess, and they may be "
        "different scenes: refine tells what the photos themselves connect"
    ]


def photo_warnings(batch: ImageBatch) -> list[str]:
    """What a person should know about these photos before trusting the result."""
    # Photos that were skipped are listed by themselves, and logged where it happened.
    texts = list(batch.notes)
    if len(batch.names) == 1:
        texts.append(
            "one photo has no relative pose: its camera is the world's origin, and only its field "
            "of view was estimated"
        )
    texts += projection_warnings(batch.names, batch.metadata)
    padding = 1 - _share_that_holds(Placement.content_mask, batch.placements)
    if padding > _NOTABLE_PADDING:
        texts.append(
            f"{padding:.0%} of what the network sees is padding, because the photos' aspect ratios "
            "differ much or were padded on request: photos of one shape are seen in more detail"
        )
    return [*texts, *_cut_off_warnings(batch)]


def _cut_off_warnings(batch: ImageBatch) -> list[str]:
    """Photos of which the preprocessing leaves out a notable part."""
    cut_off = {
        name: 1 - placement.share_shown
        for name, placement in zip(batch.names, batch.placements, strict=True)
        if 1 - placement.share_shown > _NOTABLE_CUT
    }
    if not cut_off:
        return []
    return [
        f"{len(cut_off)} of {len(batch.names)} photos are cut before the network sees them, by up "
        f"to {max(cut_off.values()):.0%} ({first_names(list(cut_off))}): the preprocessing fit or "
        "upper_bound_pad shows whole photos"
    ]


def projection_warnings(names: Sequence[str], metadata: Sequence[PhotoMetadata]) -> list[str]:
    """Photos that are panoramas or taken by a fisheye, and what to do about them."""
    kinds: dict[str, list[str]] = {}
    for name, photo in zip(names, metadata, strict=False):
        if photo.projection is not None:
            kinds.setdefault(photo.projection, []).append(name)
    return [
        f"{len(photos)} of {len(names)} photos are {_projected(kind)} ({first_names(photos)}), "
        "but the network and refinement take every photo for a pinhole camera's: their cameras and "
        "depth cannot be right; cut perspective views out of them (as of 90 degrees) and give those"
        for kind, photos in kinds.items()
    ]


def _projected(kind: str) -> str:
    return "fisheye pictures" if kind == "fisheye" else f"{kind} panoramas"


def mask_warnings(batch: ImageBatch) -> list[str]:
    """Photos whose masks are missing, or keep nothing."""
    if not any(batch.masks):
        return []
    pairs = list(zip(batch.names, batch.masks, strict=True))
    without = [name for name, mask in pairs if mask is None]
    empty = [name for name, mask in pairs if mask is not None and mask.share == 0]
    texts = []
    if without:
        texts.append(
            f"{len(without)} of {len(pairs)} photos have no mask and count as a whole: "
            f"{first_names(without)}"
        )
    if empty:
        texts.append(
            f"the masks of {counted(len(empty), 'photo')} keep nothing (white keeps, black leaves "
            f"out): {first_names(empty)}"
        )
    return texts


def scene_warnings(
    scene: Reconstruction, known_focal_lengths: Float[Tensor, " views"] | None = None
) -> tuple[ReportWarning, ...]:
    """What shows by itself, or by what is known, that the network's answer cannot be right."""
    focal = scene.cameras.intrinsics.diagonal(dim1=-2, dim2=-1)[:, :2]
    contradicted = focal_warnings(scene, focal.mean(-1).tolist(), known_focal_lengths)
    return (
        *ReportWarning.each("made", "fields_of_view", _field_warnings(scene, focal)),
        *ReportWarning.each("made", FOCAL_LENGTHS, contradicted),
        *ReportWarning.each("made", "not_finite", _finite_warnings(scene)),
    )


def _field_warnings(scene: Reconstruction, focal: Float[Tensor, "views 2"]) -> list[str]:
    """Fields of view that no photo has."""
    sizes = scene.cameras.image_sizes.float()
    fields = 2 * torch.rad2deg(torch.atan2(sizes / 2, focal)).amax(-1)
    odd = [
        (name, f) for name, f in zip(scene.names, fields.tolist(), strict=True) if not 1 < f < 170
    ]
    if not odd:
        return []
    name, field = odd[0]
    return [
        f"the field of view of {len(odd)} of {scene.num_views} cameras cannot be a photo's "
        f"({name}: {field:.0f} degrees)"
    ]


def _finite_warnings(scene: Reconstruction) -> list[str]:
    """How much of depth and points is no number."""
    texts = []
    for what in ("depth", "points_world"):
        values = getattr(scene, what)
        lost = 0.0 if values is None else 1 - _share_that_holds(torch.isfinite, values)
        if lost:
            texts.append(f"{lost:.1%} of {what} is not finite and is left out")
    return texts


def _share_that_holds(holds: Callable[[Any], Tensor], views: Iterable[Any]) -> float:
    """The mean over what ``holds`` says of the pixels of each view, all of one size."""
    counts = [(int(held.sum()), held.numel()) for held in map(holds, views)]
    return sum(count for count, _ in counts) / sum(total for _, total in counts)


def stated_focal_lengths(
    scene: Reconstruction, known: Float[Tensor, " views"] | None = None
) -> list[tuple[float, str] | None]:
    """For each photo the focal length in its pixels that is known or in its file, and by whom.

    ``known`` goes before files; NaN is not known.
    """
    stated: list[tuple[float, str] | None] = []
    for view, placement in enumerate(scene.placements):
        if known is not None and not math.isnan(float(known[view])):
            stated.append((float(known[view]), "as known"))
            continue
        in_file = (
            scene.metadata[view].focal_length(placement.original_size) if scene.metadata else None
        )
        stated.append((in_file, "by its file") if in_file else None)
    return stated


def focal_warnings(
    scene: Reconstruction,
    estimated: Sequence[float | None],
    known: Float[Tensor, " views"] | None = None,
    factor: float = _NOTABLE_FACTOR,
) -> list[str]:
    """That focal lengths contradict what is known of them, or what their photos' files say.

    ``estimated`` are in pixels of the original photos, None where nobody looked; those that differ
    by more than ``factor`` are named, photo by photo.
    """
    contradicted = [
        f"{name}: {stated[0]:.0f} pixels {stated[1]}, {focal:.0f} found"
        for name, focal, stated in zip(
            scene.names, estimated, stated_focal_lengths(scene, known), strict=True
        )
        if focal is not None and stated is not None and not 1 / factor < focal / stated[0] < factor
    ]
    if not contradicted:
        return []
    more = "; ..." if len(contradicted) > _NAMED_PHOTOS else ""
    return [
        f"the focal lengths of {len(contradicted)} of {scene.num_views} photos are not what is "
        f"stated of them ({'; '.join(contradicted[:_NAMED_PHOTOS])}{more}): files of cropped "
        "photos are wrong, and known cameras may be of other photos; else the cameras found may "
        "be wrong"
    ]
