"""Predictions of scenes that are done, kept until a run is: one that was stopped goes on from them.

Each lies under the hash of all that it depends on, so that nothing is taken that another network,
protocol or photo made. Scores are not kept: what was written is scored again.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch

from glance3d._version import __version__
from glance3d.evaluation.methods import Method
from glance3d.evaluation.protocols.protocol import Protocol
from glance3d.files.atomic import atomic_file
from glance3d.images import Preprocessing
from glance3d.images.finding.content import content_of
from glance3d.models import Network
from glance3d.pass_options import PassOptions
from glance3d.results import remove_unfinished
from glance3d.windows.disk.keys import add_network

_SCHEMA = "glance3d.protocol-prediction/1"


class KeptPredictions:
    """A folder of finished predictions of one network by one protocol.

    ``folder`` is made when the first one is kept; None keeps nothing.
    """

    def __init__(
        self, folder: Path | None, model: Network, protocol: Protocol, passes: PassOptions
    ) -> None:
        self.folder = folder
        self.num_taken = 0
        self._files: set[Path] = set()
        self._common = hashlib.sha256()
        if folder is None:
            return
        made_by = (_SCHEMA, __version__, torch.__version__, model.device.type)
        asked = (protocol.name, protocol.sha256, passes)
        self._common.update(repr((*made_by, *asked)).encode())
        add_network(self._common, model)

    def place(
        self, method: Method, scene: str, photos: Iterable[Path], preprocessing: Preprocessing
    ) -> Path | None:
        """The file of a method's prediction of a scene, whether it is there or not."""
        if self.folder is None:
            return None
        key = self._common.copy()
        contents = [content_of(path).sha256 for path in photos]
        key.update(repr((method.name, scene, contents, preprocessing)).encode())
        return self.folder / f"{key.hexdigest()}.npz"

    def keep(self, written: Path, place: Path | None) -> None:
        """Keep a file that is complete: one more link to it, or a copy."""
        if place is None:
            return
        place.parent.mkdir(exist_ok=True)
        place.unlink(missing_ok=True)
        _link(written, place)
        self._files.add(place)

    def take(self, place: Path, wanted: Path) -> None:
        """Put a kept file where the result wants it."""
        wanted.parent.mkdir(parents=True, exist_ok=True)
        _link(place, wanted)
        self._files.add(place)

    def say_what_is_kept(self, error: BaseException) -> None:
        """A note on what ended the run, of what the next one need not do again."""
        if self._files:
            error.add_note(
                f"{len(self._files)} predictions are kept in {self.folder}: the same command goes "
                "on from there"
            )

    def remove(self) -> None:
        """The run is done: what it and earlier ones kept is not needed any more."""
        if self.folder is not None:
            remove_unfinished(self.folder.parent)


def _link(source: Path, target: Path) -> None:
    """One more name for a file's bytes where the disk has links, else a copy, moved into place."""
    try:
        os.link(source, target)
    except OSError:
        with atomic_file(target) as temporary:
            shutil.copyfile(source, temporary)
