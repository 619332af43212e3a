"""Makes one scene after another with a network that is loaded once."""

import logging
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from glance3d.batches.fingerprints import InputFiles, describe_options
from glance3d.batches.ledger.event_folder import is_current
from glance3d.batches.workers.tasks import Outcome, SceneTask
from glance3d.errors import Glance3DError
from glance3d.log import VisibleFormatter, logging_to
from glance3d.models import ModelSource
from glance3d.out_of_memory import is_out_of_memory
from glance3d.pipeline import MadeScene, make_scene
from glance3d.results import open_result
from glance3d.text import visible_text

logger = logging.getLogger(__name__)
_LONGEST_REASON = 500
# A run that was killed may still be ending.
_WAIT_SECONDS = 30.0
_DYING_SECONDS = 2.0


class ClaimLostError(Exception):
    """Another worker has taken the scene over."""


class SceneMaker:
    """A network, loaded once, and what it takes to make scenes with it.

    Raises:
        Glance3DError: the network cannot be loaded.
    """

    def __init__(self, source: ModelSource) -> None:
        self._source = source
        network = source.load()
        self._loaded = ModelSource(network, commercial_only=source.commercial_only)

    def make(self, task: SceneTask) -> Outcome:
        """Make the scene; what goes wrong with it is the outcome's reason, and its log has more."""
        start = time.perf_counter()
        with log_to(task.log):
            try:
                result = self._make(task)
            except Exception as error:
                if isinstance(error, ClaimLostError):
                    kind, reason = "lost", "another worker has taken it over"
                else:
                    kind, reason = "failed", one_line(error)
                    logger.warning("failed: %s", reason)
                if not isinstance(error, Glance3DError | ClaimLostError):
                    traceback.print_exc(file=sys.stderr)
                # What a failed allocation leaves behind is given back with the process.
                is_gone = is_out_of_memory(error)
                seconds = time.perf_counter() - start
                return Outcome(task.scene.name, kind, seconds, reason, is_worker_gone=is_gone)
        return Outcome(task.scene.name, "done", time.perf_counter() - start, result=result)

    def _make(self, task: SceneTask) -> dict[str, Any]:
        def check_claim() -> None:
            if not is_current(task.events, task.scene.name, task.number):
                raise ClaimLostError

        scene = task.scene
        files = InputFiles.of(scene)
        stamps, content = files.stamps(), files.content()
        made = make_scene(
            scene.sources,
            self._loaded,
            scene.recipe,
            task.out,
            overwrite=task.overwrite,
            wait_seconds=_WAIT_SECONDS,
            before_commit=check_claim,
        )
        options = describe_options(scene.recipe, self._source)
        return {**describe_made(made), "options": options, "stamps": stamps, "content": content}


def describe_made(made: MadeScene) -> dict[str, Any]:
    """What a table shows of a scene: counts of photos, verdicts and warnings."""
    scene, section = made.scene, made.report.refinement
    verdicts = Counter(view.verdict for view in scene.trust or ())
    return {
        "photos": scene.num_views,
        "held": None if section is None else section.num_registered,
        "verdicts": dict(verdicts),
        "warnings": len(made.report.warnings),
        "skipped": len(made.report.photos.skipped or ()),
    }


def one_line(error: BaseException) -> str:
    """An error as one sentence; that of a bug with its kind."""
    text = " ".join(str(error).split())
    if not isinstance(error, Glance3DError):
        text = f"{type(error).__name__}: {text}"
    return visible_text(text)[:_LONGEST_REASON]


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """What the library logs, and what anything in this process says on stderr, goes to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = os.dup(2)
    sys.stderr.flush()
    with path.open("ab") as file:
        os.dup2(file.fileno(), 2)
    handler = logging.StreamHandler(sys.__stderr__)
    handler.setFormatter(VisibleFormatter("%(asctime)s %(message)s"))
    try:
        with logging_to(handler):
            yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)


def remove_left_overs(folder: Path) -> None:
    """Remove what a worker that was killed began to write there; an earlier result stays."""
    if not folder.is_dir():
        return
    with suppress(OSError, Glance3DError), open_result(folder, wait_seconds=_DYING_SECONDS):
        pass
    with suppress(OSError):
        folder.rmdir()  # which only an empty one is
