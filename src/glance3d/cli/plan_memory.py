"""``glance3d reconstruct --plan``: what a run would take, without running it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glance3d.pass_options import PassOptions

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
    window: int | None = None,
    overlap: int | None = None,
) -> list[str]:
    """The memory plan of these photos, for a person. Weights are neither fetched nor read."""
    from glance3d.images import load_images
    from glance3d.images.preprocess import preprocessing_of
    from glance3d.models.zoo import outline_model, resolve_device
    from glance3d.prediction import plan_of

    asked = tuple(dict.fromkeys(("camera", *outputs)))
    queries = ((0.0, 0.0),) if "tracks" in asked else None  # which ones does not matter
    windows = PassOptions(asked, queries, window=window, overlap=overlap).windows
    network = outline_model(model, weights, device, precision)
    batch = load_images(
        tuple(sources), preprocessing_of(network.preprocessing, preprocess), sampling=sampling
    )
    return plan_of(network, batch, asked, windows, resolve_device(device)).lines()
