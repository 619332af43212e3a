"""How a scene was made, JSON-ready: enough to say why it looks as it does, and to make it again.

The keys are stable: tools may read them. Times are seconds, sizes (width, height) in pixels,
memory bytes.
"""

import hashlib
import math
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d._version import __version__
from glance3d.models import VGGT
from glance3d.nn.fast import paths as fast_paths
from glance3d.nn.fast.attention_backend import PLAIN, attention_backend
from glance3d.nn.fast.gpu import kernels_for
from glance3d.text import first_names
from glance3d.types import ImageBatch, Masks, PhotoMetadata, Reconstruction

_NO_CARD = "no weights card: source and licence are not known"
# Above this share of the network's grid, padding costs more than it is worth keeping quiet about.
_NOTABLE_PADDING = 0.2
_NOTABLE_FACTOR = 1.3  # between a focal length that a file states and a network's
_NAMED_PHOTOS = 10
_LARGEST_HASHED_FILE = 500_000_000


class StageTimes:
    """Seconds that each named stage took, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block under this name."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - start, 4)


def describe_versions() -> dict[str, str]:
    """What software this is."""
    found = {"glance3d": __version__, "python": platform.python_version()}
    for package in ("torch", "numpy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def describe_machine(device: torch.device) -> dict[str, Any]:
    """What hardware this is, and which part of it computed."""
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "num_cores": os.cpu_count(),
        "num_threads": torch.get_num_threads(),
        "device": str(device),
        "accelerator": accelerator,
        "fused_kernels": kernels_for(device) is not None,
    }


def describe_model(network: VGGT) -> dict[str, Any]:
    """Which network, whose weights, and what may be done with what it makes."""
    card, path = network.card, network.weights_path
    matmul_types = {parameter.dtype for parameter in network.aggregator.parameters()}
    return {
        "name": network.config.name,
        "num_parameters": sum(parameter.numel() for parameter in network.parameters()),
        "precision": "bfloat16" if torch.bfloat16 in matmul_types else "float32",
        "weights": {
            "source": card.source if card else None,
            "file": path.name if path else None,
            "size_bytes": path.stat().st_size if path and path.is_file() else None,
            "sha256": file_sha256(path) if path and path.is_file() else None,
            "licence": card.licence if card else None,
            "commercial_use": card.commercial_use if card else None,
            "note": card.summary if card else _NO_CARD,
        },
    }


def describe_attention(network: VGGT, kind: str) -> dict[str, Any]:
    """Whether it is exact, and which kernel it runs by."""
    weight = network.aggregator.get_parameter("frame_blocks.0.attn.qkv.weight")
    head_dim = weight.shape[1] // network.config.aggregator.num_heads
    backend = attention_backend(weight.device, weight.dtype, head_dim)
    return {"kind": kind, "approximate": kind != "full", "backend": backend}


def describe_fast_paths() -> list[dict[str, Any]]:
    """What ran of the paths that were tried in this process so far, and why (see ``nn``)."""
    return fast_paths.current().describe()


def attention_warnings(described: Mapping[str, Any], device: torch.device) -> list[str]:
    """That a GPU has no fused kernel for it, which nobody would notice before memory runs out."""
    if device.type == "cpu" or described["backend"] != PLAIN:
        return []
    return [
        "attention runs by plain products on this GPU, slowly and in memory that grows with the "
        "square of the views: PyTorch has no fused kernel here for this precision; try another"
    ]


def file_sha256(path: Path) -> str | None:
    """The file's SHA-256; None for a file so large that hashing it would cost seconds."""
    if path.stat().st_size > _LARGEST_HASHED_FILE:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_warnings(network: VGGT) -> list[str]:
    """What the weights' card says a user should know first."""
    return network.card.warnings if network.card else []


def describe_views(batch: ImageBatch) -> list[dict[str, Any]]:
    """Each photo, and where it lies on the network's grid (see ``Placement``)."""
    return [
        {
            "name": name,
            "source": source,
            "original_size": placement.original_size,
            "exif_orientation": placement.exif_orientation,
            "scale": placement.scale,
            "offset": placement.offset,
        }
        for name, source, placement in zip(
            batch.names, batch.sources, batch.placements, strict=True
        )
    ]


def describe_focal_lengths(batch: ImageBatch) -> dict[str, int]:
    """Of how many photos the focal length was stated beforehand, by whom."""
    known = batch.known_focal_lengths
    is_known = [False] * len(batch.names) if known is None else known.isfinite().tolist()
    in_files = [bool(facts.focal_35mm) for facts in batch.facts] or [False] * len(is_known)
    only_in_files = [a and not b for a, b in zip(in_files, is_known, strict=True)]
    return {"num_known": sum(is_known), "num_by_files": sum(only_in_files)}


def describe_memory(device: torch.device) -> dict[str, int | None]:
    """The most memory that was in use: by this process ever, and on the GPU since the start."""
    on_gpu = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return {"peak_process": peak_process_memory(), "peak_gpu": on_gpu}


def peak_process_memory() -> int | None:
    """Bytes of memory that this process held at its worst; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def photo_warnings(batch: ImageBatch) -> list[str]:
    """What a person should know about these photos before trusting the result."""
    # Photos that were skipped are listed by themselves, and logged where it happened.
    found = list(batch.notes)
    if len(batch.names) == 1:
        found.append(
            "one photo has no relative pose: its camera is the world's origin, and only its field "
            "of view was estimated"
        )
    found += projection_warnings(batch.names, batch.facts)
    padding = 1 - batch.content_mask.float().mean().item()
    if padding > _NOTABLE_PADDING:
        found.append(
            f"{padding:.0%} of what the network sees is padding, because the photos' aspect ratios "
            "differ much or were padded on request: photos of one shape are seen in more detail"
        )
    return found


def projection_warnings(names: Sequence[str], facts: Sequence[PhotoMetadata]) -> list[str]:
    """Photos that are panoramas or taken by a fisheye, and what to do about them."""
    kinds: dict[str, list[str]] = {}
    for name, fact in zip(names, facts, strict=False):
        if fact.projection is not None:
            kinds.setdefault(fact.projection, []).append(name)
    return [
        f"{len(photos)} of {len(names)} photos are {_projected(kind)} ({first_names(photos)}), "
        "but the network and refinement take every photo for a pinhole camera's: their cameras and "
        "depth cannot be right; cut perspective views out of them (as of 90 degrees) and give those"
        for kind, photos in kinds.items()
    ]


def _projected(kind: str) -> str:
    return "fisheye pictures" if kind == "fisheye" else f"{kind} panoramas"


def describe_masks(names: Sequence[str], masks: Masks, mask_input: bool) -> dict[str, Any] | None:
    """How much of each photo its mask keeps, None for a photo without; None without any masks."""
    if not any(masks):
        return None
    return {
        "kept_share": {
            name: None if mask is None else round(mask.share, 4)
            for name, mask in zip(names, masks, strict=True)
        },
        "network_saw": "masked photos" if mask_input else "whole photos",
    }


def mask_warnings(batch: ImageBatch) -> list[str]:
    """Photos whose masks are missing, or keep nothing."""
    if not any(batch.masks):
        return []
    pairs = list(zip(batch.names, batch.masks, strict=True))
    without = [name for name, mask in pairs if mask is None]
    empty = [name for name, mask in pairs if mask is not None and mask.share == 0]
    found = []
    if without:
        found.append(
            f"{len(without)} of {len(pairs)} photos have no mask and count as a whole: "
            f"{first_names(without)}"
        )
    if empty:
        found.append(
            f"the masks of {len(empty)} photos keep nothing (white keeps, black leaves out): "
            f"{first_names(empty)}"
        )
    return found


def scene_warnings(
    scene: Reconstruction, known_focal_lengths: Float[Tensor, " views"] | None = None
) -> list[str]:
    """What shows by itself, or by what is known, that the network's answer cannot be right."""
    found = []
    sizes = scene.cameras.image_sizes.float()
    focal = scene.cameras.intrinsics.diagonal(dim1=-2, dim2=-1)[:, :2]
    fields = 2 * torch.rad2deg(torch.atan2(sizes / 2, focal)).amax(-1)
    odd = [
        (name, f) for name, f in zip(scene.names, fields.tolist(), strict=True) if not 1 < f < 170
    ]
    if odd:
        name, field = odd[0]
        found.append(
            f"the field of view of {len(odd)} of {scene.num_views} cameras cannot be a photo's "
            f"({name}: {field:.0f} degrees)"
        )
    found += focal_warnings(scene, focal.mean(-1).tolist(), known_focal_lengths)
    for what in ("depth", "points_world"):
        values = getattr(scene, what)
        lost = 0.0 if values is None else 1 - values.isfinite().float().mean().item()
        if lost:
            found.append(f"{lost:.1%} of {what} is not finite and is left out")
    return found


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
        in_file = scene.facts[view].focal_length(placement.original_size) if scene.facts else None
        stated.append((in_file, "by its file") if in_file else None)
    return stated


def focal_warnings(
    scene: Reconstruction,
    found: Sequence[float | None],
    known: Float[Tensor, " views"] | None = None,
    factor: float = _NOTABLE_FACTOR,
) -> list[str]:
    """That focal lengths contradict what is known of them, or what their photos' files say.

    ``found`` are in pixels of the original photos, None where nobody looked; those that differ by
    more than ``factor`` are named, photo by photo.
    """
    contradicted = [
        f"{name}: {stated[0]:.0f} pixels {stated[1]}, {focal:.0f} found"
        for name, focal, stated in zip(
            scene.names, found, stated_focal_lengths(scene, known), strict=True
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


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def total(seconds: Mapping[str, float]) -> float:
    """The stages' sum."""
    return round(sum(seconds.values()), 4)
