"""What an earlier run left: scenes that are done are checked, others are tried again if asked."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glance3d.batches.fingerprints import changes_since
from glance3d.batches.ledger.event_folder import Ledger, strangers
from glance3d.batches.ledger.owners import Owner
from glance3d.batches.scenes import BatchScene, folder_of
from glance3d.errors import Glance3DError, OutputError
from glance3d.models import ModelSource
from glance3d.results import read_manifest, settle
from glance3d.text import names_and_count, visible_text

logger = logging.getLogger(__name__)
_SHOWN = 5


@dataclass(frozen=True)
class Again:
    """What is made once more: scenes set aside (``retry``), and done ones that have changed."""

    retry: bool = False
    redo: bool = False


def take_up(
    scenes: Sequence[BatchScene],
    out: Path,
    ledger: Ledger,
    owner: Owner,
    source: ModelSource,
    again: Again,
) -> dict[str, str]:
    """Look at what is there, and put back on the list what has to be made again.

    Returns what has changed since a scene was made, for those that stay as they are.

    Raises:
        OutputError: the ledger cannot be written.
    """
    changes: dict[str, str] = {}
    for scene in scenes:
        state = ledger.state(scene.name)
        why = ""
        if state.name == "set aside" and again.retry:
            why = "it was asked for (--retry)"
        elif state.name == "done" and state.last is not None:
            if not is_there(folder_of(out, scene.name)):
                why = "its result is not there any more"
            else:
                changed = " and ".join(changes_since(scene, source, state.last.result))
                if changed and again.redo:
                    why = f"{changed} changed"
                elif changed:
                    changes[scene.name] = changed
        if why:
            ledger.append(scene.name, state.number + 1, "retried", owner, reason=why)
            logger.info("%s is made again: %s", visible_text(scene.name), why)
    _tell(changes, strangers(ledger, [scene.name for scene in scenes]), out)
    return changes


def is_there(folder: Path) -> bool:
    """Whether a whole result stands in the folder: each file that its manifest names, by size."""
    try:
        settle(folder)
        manifest = read_manifest(folder)
        if manifest is None or "report.json" not in manifest.files:
            return False
        return all(
            mark.fits_size((folder / path).stat().st_size) for path, mark in manifest.files.items()
        )
    except (Glance3DError, OSError):
        return False


def refuse_company(scenes: Sequence[BatchScene], out: Path, ledger: Ledger) -> None:
    """Refuse to join another run by accident.

    Raises:
        OutputError: a process of this machine is making one of the scenes.
    """
    for scene in scenes:
        state = ledger.state(scene.name)
        if state.name == "running" and state.last is not None and state.last.owner.is_known_here:
            raise OutputError(
                f"another run ({state.last.owner}) is making {visible_text(scene.name)} in {out}: "
                "wait until it is done, or share the work with it (--worker)"
            )


def _tell(changes: dict[str, str], unlisted: list[str], out: Path) -> None:
    if changes:
        few = names_and_count(
            [f"{visible_text(name)} ({what})" for name, what in changes.items()], _SHOWN
        )
        logger.warning(
            "warning: done, and left alone though changed since: %s; --redo (redo=True) makes them "
            "again",
            few,
        )
    if unlisted:
        logger.info(
            "%s in %s are of an earlier list, and left as they are",
            names_and_count(list(map(visible_text, unlisted)), _SHOWN),
            out,
        )
