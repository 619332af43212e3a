"""Where a run keeps its windows until the scene is written, and what it says of them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from glance3d.results import unfinished_files, unfinished_folder
from glance3d.results.unfinished import LOOK_PREFIX
from glance3d.windows.disk.keys import WindowKeys
from glance3d.windows.disk.room import DiskUse
from glance3d.windows.disk.store import DiskStore

_LOG = logging.getLogger("glance3d")


class WindowFolder:
    """A hidden folder in a folder of results that this process holds (``open_result``).

    It is removed when a whole result is moved into place. What ends a ``with`` block of it before
    has a note (PEP 678) of what is kept.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._store: DiskStore | None = None

    def open(self, keys: WindowKeys, windows: Sequence[Sequence[int]], use: DiskUse) -> DiskStore:
        """A store for these windows; what a stopped run made of the same is taken.

        Raises:
            OutputError: the disk has no room for the rest, or somebody's file is in the way.
        """
        folder = unfinished_folder(self.root)
        store = DiskStore(folder, list(map(keys.of, windows)), keys.of)
        missing = [index for index in range(len(windows)) if index not in store]
        use.refuse_full_disk(self.root, missing)
        _LOG.info("%s, in %s; a run that is stopped goes on from there", use.sentence(), folder)
        if store.num_taken:
            _LOG.info(
                "%d of %d windows taken from the run that was stopped",
                store.num_taken,
                len(windows),
            )
        found = {path.stem for path in unfinished_files(self.root)}
        others = {stem for stem in found if not stem.startswith(LOOK_PREFIX)} - set(store.keys)
        if others:
            _LOG.info(
                "%d windows of other photos, weights or options lie there as well: they are "
                "removed with the rest",
                len(others),
            )
        self._store = store
        return store

    def __enter__(self) -> "WindowFolder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        store = self._store
        if store is not None:
            store.close()
        if error is not None and store:
            looks = f" and {store.num_looks} passes over likely loops" if store.num_looks else ""
            error.add_note(
                f"{len(store)} of {len(store.keys)} windows{looks} are kept in {store.folder}: the "
                "same command goes on from there"
            )
