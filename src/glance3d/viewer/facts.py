"""The viewer's description of a scene: size, units, world, trust, model."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.exporters.presentation import up_direction
from glance3d.exporters.world_text import describe_units, describe_world, world_axes
from glance3d.text import visible_text
from glance3d.types import Reconstruction

_AXES = "xyz"


def scene_facts(scene: Reconstruction, sample: Float[Tensor, "points 3"]) -> str:
    """A few lines of Markdown for the top of the panel; ``sample`` are the more certain points."""
    reference = escaped(scene.names[scene.reference_view])
    world = describe_world(escaped(scene.world), reference)
    lines = [
        f"**{scene.num_views} {'photo' if scene.num_views == 1 else 'photos'}**"
        + verdict_counts(scene),
        f"{describe_units(escaped(scene.units)).capitalize()}; {extent(scene, sample)}.",
        f"World: {world} ({world_axes(scene.world)}); up is {nearest_axis(up_direction(scene))}.",
    ]
    if scene.model:
        lines.append(f"Model: {escaped(scene.model)}{_licence(scene)}.")
    return "\n\n".join(lines)


def _licence(scene: Reconstruction) -> str:
    """The weights' licence in brackets, where the report knows it."""
    licence = scene.report.made.model.weights.licence
    return f" ({escaped(licence)})" if licence else ""


def verdict_counts(scene: Reconstruction) -> str:
    """The number of photos per verdict, if the scene was judged."""
    if scene.trust is None:
        return ", cameras as the network guessed them" if scene.model else ""
    verdicts = [trust.verdict for trust in scene.trust]
    counts = {name: verdicts.count(name) for name in ("good", "weak", "unsupported")}
    return ": " + ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def extent(scene: Reconstruction, sample: Float[Tensor, "points 3"]) -> str:
    """The size along the world's axes of the region with nine tenths of the points."""
    if not len(sample):
        return "the scene has no points"
    sides = torch.quantile(sample, sample.new_tensor([0.05, 0.95]), dim=0)
    text = " x ".join(f"{side:.3g}" for side in (sides[1] - sides[0]).tolist())
    unit = " m" if scene.units == "metre" else ""
    return f"most points lie within {text}{unit}"


def nearest_axis(direction: Float[Tensor, "3"]) -> str:
    """A direction as a signed axis, "about" where it is not quite along it."""
    direction = direction / direction.norm()
    axis = int(direction.abs().argmax())
    sign = "-" if direction[axis] < 0 else "+"
    exactly = abs(float(direction[axis])) > np.cos(np.radians(1))
    return f"{'' if exactly else 'about '}{sign}{_AXES[axis]}"


def photo_facts(scene: Reconstruction, view: int) -> str:
    """One photo in a line or two of Markdown: its name, its lens, its verdict."""
    width, height = scene.placements[view].original_size
    focal = float(scene.cameras.intrinsics[view, 0, 0])
    fov = np.degrees(2 * np.arctan2(width / 2, focal))
    text = f"**{escaped(scene.names[view])}** ({width} x {height}, {fov:.0f}° wide)"
    if scene.trust is not None:
        trust = scene.trust[view]
        text += (
            f"\n\n{escaped(trust.verdict)}: {escaped(trust.reason)} "
            f"(by {escaped(trust.registered_by)})"
        )
    return text


def escaped(text: str) -> str:
    """Any text in Markdown: nothing in it is markup, HTML or invisible."""
    marks = "\\`*_{}[]<>()#+-!|~$&"
    return "".join(f"\\{mark}" if mark in marks else mark for mark in visible_text(text))
