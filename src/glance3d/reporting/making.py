"""How a scene was made: enough to say why it looks as it does, and to make it again."""

import hashlib
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from glance3d._version import __version__
from glance3d.images import Preprocessing
from glance3d.models import Network
from glance3d.models.memory.plan import MemoryPlan
from glance3d.models.reference_view import ReferenceChoice
from glance3d.nn.fast import paths as fast_paths
from glance3d.nn.fast.attention_backend import attention_backend
from glance3d.nn.fast.gpu import kernels_for
from glance3d.pass_options import PassOptions
from glance3d.reporting.times import peak_process_memory
from glance3d.types import ImageBatch, Masks
from glance3d.types.report_sections import (
    AdapterReport,
    MadeReport,
    MasksReport,
    ModelReport,
    PhotosReport,
    SkippedReport,
    WeightsReport,
)
from glance3d.windows import WindowGraph, describe_windows

SCHEMA = "glance3d.report/1"
_NO_CARD = "no weights card: source and licence are not known"
_LARGEST_HASHED_FILE = 500_000_000


def describe_making(
    network: Network,
    batch: ImageBatch,
    preprocessing: Preprocessing,
    options: PassOptions,
    choice: ReferenceChoice,
    plan: MemoryPlan,
    graph: WindowGraph | None,
    groups: Sequence[Sequence[int]] = (),
) -> MadeReport:
    """How this network was run on these photos; ``groups`` are those of the views."""
    device = network.device
    return MadeReport(
        schema=SCHEMA,
        created=now(),
        versions=describe_versions(),
        machine={**describe_machine(device), **describe_ranks(plan)},
        model=describe_model(network),
        preprocessing=asdict(preprocessing),
        outputs=tuple(options.outputs),
        reference_view=batch.names[choice.view],
        reference=choice.describe(batch.names),
        processed_size=batch.placements[0].processed_size,
        stated_focal_lengths=describe_focal_lengths(batch),
        num_query_points=len(options.queries or ()),
        clips=tuple(asdict(clip) for clip in batch.clips),
        memory={**describe_memory(device), "planned": plan.peak},
        attention=describe_attention(network, options.attention),
        fast_paths=tuple(fast_paths.current().describe()),
        windows=describe_windows(options.windows, graph, batch.names),
        groups=tuple(tuple(batch.names[view] for view in one) for one in groups) or None,
    )


def describe_versions() -> dict[str, str]:
    """What software this is."""
    versions = {"glance3d": __version__, "python": platform.python_version()}
    for package in ("torch", "numpy", "pillow"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


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


def describe_ranks(plan: MemoryPlan) -> dict[str, Any]:
    """How many processes shared each pass; nothing of one alone."""
    if plan.ranks == 1:
        return {}
    return {"ranks": plan.ranks, "keys_of_ranks": "ring" if plan.by_ring else "gathered"}


def describe_model(network: Network) -> ModelReport:
    """Which network, whose weights, and what may be done with what it makes."""
    return ModelReport(
        name=network.config.name,
        num_parameters=sum(parameter.numel() for parameter in network.parameters()),
        precision=str(network.matmul_dtype).removeprefix("torch."),
        choice=network.chosen_because or None,
        weights=_describe_weights(network),
        adapter=_describe_adapter(network),
    )


def _describe_adapter(network: Network) -> AdapterReport | None:
    used = network.adapter
    if used is None:
        return None
    return AdapterReport(
        f"{used.path.parent.name}/{used.path.name}", used.sha256, used.rank, used.num_layers
    )


def _describe_weights(network: Network) -> WeightsReport:
    card, path = network.card, network.weights_path
    file = path if path and path.is_file() else None
    return WeightsReport(
        source=card.source if card else None,
        file=path.name if path else None,
        size_bytes=file.stat().st_size if file else None,
        sha256=file_sha256(file) if file else None,
        licence=card.licence if card else None,
        commercial_use=card.commercial == "yes" if card else None,
        commercial=card.commercial if card else None,
        licence_source=card.licence_source if card else None,
        note=card.summary if card else _NO_CARD,
    )


def describe_attention(network: Network, kind: str) -> dict[str, Any]:
    """Whether it is exact, and which kernel it runs by."""
    attention = network.blocks[0].attn
    head_dim = attention.qkv.weight.shape[1] // attention.num_heads
    backend = attention_backend(network.device, network.matmul_dtype, head_dim)
    return {"kind": kind, "approximate": kind != "full", "backend": backend}


def file_sha256(path: Path) -> str | None:
    """The file's SHA-256; None for a file so large that hashing it would cost seconds."""
    if path.stat().st_size > _LARGEST_HASHED_FILE:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_photos(batch: ImageBatch, mask_input: bool) -> PhotosReport:
    """The photos, where each lies on the network's grid, and what is not among them."""
    return PhotosReport(
        num_views=len(batch.names),
        views=tuple(describe_views(batch)),
        skipped=tuple(SkippedReport(photo.source, photo.reason) for photo in batch.skipped),
        masks=describe_masks(batch.names, batch.masks, mask_input),
    )


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


def describe_masks(names: Sequence[str], masks: Masks, mask_input: bool) -> MasksReport | None:
    """How much of each photo its mask keeps, None for a photo without; None without any masks."""
    if not any(masks):
        return None
    shares = {
        name: None if mask is None else round(mask.share, 4)
        for name, mask in zip(names, masks, strict=True)
    }
    return MasksReport(shares, "masked photos" if mask_input else "whole photos")


def describe_focal_lengths(batch: ImageBatch) -> dict[str, int]:
    """Of how many photos the focal length was stated beforehand, by whom."""
    known = batch.known_focal_lengths
    is_known = [False] * len(batch.names) if known is None else known.isfinite().tolist()
    in_files = [bool(metadata.focal_35mm) for metadata in batch.metadata] or [False] * len(is_known)
    only_in_files = [a and not b for a, b in zip(in_files, is_known, strict=True)]
    return {"num_known": sum(is_known), "num_by_files": sum(only_in_files)}


def describe_memory(device: torch.device) -> dict[str, int | None]:
    """The most memory that was in use: by this process ever, and on the GPU since the start."""
    on_gpu = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return {"peak_process": peak_process_memory(), "peak_gpu": on_gpu}


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
