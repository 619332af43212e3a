"""``glance3d reconstruct --plan``: what a run would take, without running it."""

from collections.abc import Sequence
from pathlib import Path
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
    out: Path,
) -> list[str]:
    """The memory plan of these photos, for a person, and what windows take of the disk of ``out``.

    Weights are neither fetched nor read.
    """
    from glance3d.prediction import outputs_of_windows, plan_of
    from glance3d.windows import lay_out
    from glance3d.windows.disk import DiskUse

    network = source.outline()
    batch = inputs.load(tuple(sources), network.preprocessing)
    device = source.resolved_device()
    windows = passes.windows
    plan = plan_of(network, batch, passes.computed, windows, device, group=group, on_disk=True)
    if windows is None or not windows.divides(len(batch.names)):
        return plan.lines()
    layout = lay_out(len(batch.names), windows)
    use = DiskUse.of(layout, batch, outputs_of_windows(passes.outputs), loops=True)
    return [*plan.lines(), f"  {use.line(out)}"]
