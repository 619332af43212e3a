"""Plots of the network's confidence and of the reprojection errors of measured points."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.exporters.page.markup import Markup, element, join
from glance3d.exporters.page.plots import bars_of_views, histogram, in_digits
from glance3d.exporters.points.sparse_points import has_measured_points, observation_errors
from glance3d.types import Reconstruction


def surer_shares(percentiles: Float[Tensor, "views h w"]) -> list[float]:
    """Of each photo: the percent of its points that are in the scene's surer half."""
    usable = ~percentiles.isnan()
    surer = (percentiles > 50) & usable
    return (100 * surer.sum((1, 2)) / usable.sum((1, 2)).clamp(min=1)).tolist()


def plots_section(scene: Reconstruction, percentiles: Float[Tensor, "views h w"] | None) -> Markup:
    """The plots that this scene has data for; ``percentiles`` of its confidence, if it has one."""
    plots = []
    if percentiles is not None:
        plots += [_confidence(scene, ~percentiles.isnan()), _by_photo(scene, percentiles)]
    if has_measured_points(scene):
        plots.append(_reprojection(scene))
    measured = _measured(scene)
    if measured is not None:
        plots.append(measured)
    if not plots:
        return element("p", "There are no points to draw plots of.", class_="quiet")
    return join(plots)


def _confidence(scene: Reconstruction, usable: Bool[Tensor, "views h w"]) -> Markup:
    assert scene.confidence is not None
    values = scene.confidence[usable].sort().values
    shares = (0.01, 0.25, 0.5, 0.99)
    low, quarter, half, high = (float(values[int(share * (len(values) - 1))]) for share in shares)
    return histogram(
        values,
        title="Confidence of the points",
        description=(
            f"Half of the {len(values):,} points have a confidence above "
            f"{in_digits(half, high - low)}, a quarter below "
            f"{in_digits(quarter, high - low)}. Only the order means something: the values differ "
            "from network to network and from scene to scene."
        ),
        label="confidence, as the network gives it",
        marks=[(quarter, "25 %"), (half, "median")],
    )


def _by_photo(scene: Reconstruction, percentiles: Float[Tensor, "views h w"]) -> Markup:
    surer = surer_shares(percentiles)
    least = min(range(len(surer)), key=lambda view: surer[view])
    most = max(range(len(surer)), key=lambda view: surer[view])
    return bars_of_views(
        surer,
        scene.names,
        title="Confidence by photo",
        description=(
            "How much of each photo is in the surer half of the whole scene: least of "
            f"{scene.names[least]} ({surer[least]:.0f} %), most of {scene.names[most]} "
            f"({surer[most]:.0f} %)."
        ),
        label="photo, in order",
    )


def _reprojection(scene: Reconstruction) -> Markup:
    assert scene.sparse is not None
    errors = observation_errors(scene.sparse, scene.cameras)
    errors = errors[torch.isfinite(errors)].sort().values
    if len(errors) == 0:
        return Markup()
    median, most = (float(errors[int(share * (len(errors) - 1))]) for share in (0.5, 0.9))
    return histogram(
        errors,
        title="Reprojection error",
        description=(
            f"How far {len(errors):,} observations of {len(scene.sparse):,} measured points lie "
            f"from where the cameras put them: half within {median:.2f} pixels of the original "
            f"photos, 90 % within {most:.2f}."
        ),
        label="pixels of the original photo",
        marks=[(median, f"median {median:.2f} px"), (most, f"90 % {most:.2f} px")],
    )


def _measured(scene: Reconstruction) -> Markup | None:
    if scene.measured is None or not bool(scene.measured.any()):
        return None
    pixels = scene.mask.sum((1, 2)).clamp(min=1)
    shares = (100 * (scene.measured & scene.mask).sum((1, 2)) / pixels).tolist()
    mean = sum(shares) / len(shares)
    return bars_of_views(
        shares,
        scene.names,
        title="Measured depth by photo",
        description=(
            f"How much of each photo has depth measured from the photos themselves, {mean:.0f} % "
            "on the whole; the rest is the network's guess."
        ),
        label="photo, in order",
    )
