"""``glance3d reconstruct --plan``: what a run would take, without running it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glance3d.images import ClipSampling


def memory_lines(
    sources: Sequence[str],
    *,
    model: str,
    weights: Path | None,
    device: str,
    precision: str,
    preprocess: Mapping[str, Any],
    outputs: Sequence[str],
    sampling: "ClipSampling",
) -> list[str]:
    """The memory plan of these photos, for a person. Weights are neither fetched nor read."""
    from glance3d.images import load_images
    from glance3d.models.checks import check_outputs
    from glance3d.models.memory_plan import plan_memory
    from glance3d.models.zoo import outline_model, resolve_device
    from glance3d.reconstruction import preprocessing_of

    network = outline_model(model, weights, device, precision)
    wanted = check_outputs(
        tuple(dict.fromkeys(("camera", *outputs))), network.config.outputs, "tracks" in outputs
    )
    own = preprocessing_of(preprocess, network)
    images = load_images(tuple(sources), own, sampling=sampling).images
    size = (images.shape[-2], images.shape[-1])
    return plan_memory(network, len(images), size, wanted, resolve_device(device)).lines()
