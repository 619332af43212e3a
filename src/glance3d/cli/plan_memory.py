"""``glance3d reconstruct --plan``: what a run would take, without running it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glance3d.distributed.group import Group
    from glance3d.images import InputOptions
    from glance3d.models import ModelSource
    from glance3d.pass_options import PassOptions


def memory_lines(
    sources: Sequence[str],
    source: "ModelSource",
    inputs: "InputOptions",
    passes: "PassOptions",
    group: "Group",
) -> list[str]:
    """The memory plan of these photos, for a person. Weights are neither fetched nor read."""
    from glance3d.prediction import plan_of

    network = source.outline()
    batch = inputs.load(tuple(sources), network.preprocessing)
    device = source.resolved_device()
    plan = plan_of(network, batch, passes.computed, passes.windows, device, group=group)
    return plan.lines()
