"""The line that counts what was named and not used."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glance3d.text import visible_text

if TYPE_CHECKING:
    from glance3d.types.report_sections import SkippedReport

_SHOWN = 3


def skipped_summary(
    views: Sequence[Mapping[str, Any]], skipped: Sequence["SkippedReport"]
) -> list[str]:
    """How many of the files behind ``views`` and ``skipped`` (of a report) were not used, and why.

    Nothing where all were.
    """
    if not skipped:
        return []
    # The frames of a clip are views of one file.
    used = {str(view.get("source")).split("#t=")[0] for view in views}
    reasons = "; ".join(str(photo.reason) for photo in skipped[:_SHOWN])
    more = f"; and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
    total = len(used) + len(skipped)
    verb = "was" if len(skipped) == 1 else "were"
    line = f"{len(skipped)} of {total} files {verb} not used: {reasons}{more} (see report.json)"
    return [visible_text(line)]
