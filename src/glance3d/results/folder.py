"""The only way to write a result folder: locked, recovered, guarded, and replaced as a whole."""

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from glance3d.errors import OutputError
from glance3d.files.atomic import (
    errors_named,
    folder_made,
    output_error,
    remove_dead_temporaries,
    remove_whole,
)
from glance3d.results.commit import commit, finish_move
from glance3d.results.fingerprint import Fingerprint, Part
from glance3d.results.guard import Claims, Guard, shortened
from glance3d.results.lock import folder_lock
from glance3d.results.manifest import (
    Manifest,
    is_staging_name,
    new_staging_name,
    read_manifest,
    write_manifest,
)
from glance3d.results.staging import Staging
from glance3d.results.unfinished import remove_unfinished, unfinished_folder

logger = logging.getLogger(__name__)

_READER_WAITS = 5.0  # seconds, for a run that is just moving its files into place


class ResultFolder:
    """A folder that this run may write results to; see :func:`open_result`."""

    def __init__(self, root: Path, manifest: Manifest, *, overwrite: bool) -> None:
        self.root = root
        self.overwrite = overwrite
        self.guard = Guard(root, manifest.files)
        self._claims = Claims()
        self._staging: Staging | None = None
        self._complete = False

    @property
    def unfinished(self) -> Path:
        """Where a run keeps what the next one may go on from: :mod:`.unfinished`.

        Raises:
            OutputError: a file or a link stands there.
        """
        return unfinished_folder(self.root)

    def claim(self, claims: Claims) -> None:
        """Declare which files will be written; early, so that a refusal costs little work.

        Raises:
            OutputError: somebody else's files stand in the way, or a name is too long.
        """
        self.guard.refuse(claims, overwrite=self.overwrite)
        self._claims += claims

    def adopt(self, *paths: str, part: Part = "all") -> None:
        """Count files as ours from now on; one that is not there yet, with ``part`` "start" alone.

        Raises:
            OutputError: the manifest cannot be written.
        """
        empty = Fingerprint(0, hashlib.sha256().hexdigest(), "start")
        marks = {
            path: Fingerprint.of(self.root / path, part) if (self.root / path).exists() else empty
            for path in paths
        }
        files = {**self.guard.files, **marks}
        with errors_named(self.root):
            write_manifest(self.root, Manifest(files))
        self.guard = Guard(self.root, files)

    @contextmanager
    def staged(self, *, complete: bool = False) -> Iterator[Staging]:
        """A hidden folder to fill; at the end of the block its files are moved into place as one.

        When the block fails, nothing is. With ``complete`` they are the whole result: left-overs of
        an earlier one are removed. Within such a block it is the same folder again.
        """
        self._complete |= complete
        if self._staging is not None:
            yield self._staging
            return
        folder = self.root / new_staging_name()
        self._staging = Staging(folder, self.root, self.guard)
        try:
            with errors_named(self.root):
                folder.mkdir()
                yield self._staging
                self._commit(self._staging)
        except OutputError as error:  # messages name files by their final paths
            raise OutputError(str(error).replace(str(folder), str(self.root))) from error
        finally:
            self._staging, self._complete = None, False
            if not _is_moving(self.root):
                remove_whole(folder)

    def _commit(self, staging: Staging) -> None:
        done = commit(
            staging,
            self.guard.files,
            self._claims,
            complete=self._complete,
            overwrite=self.overwrite,
        )
        self.guard = Guard(self.root, done.manifest.files)
        if self._complete:
            remove_unfinished(self.root)
        if done.removed:
            logger.info(
                "removed from %s what was left over of an earlier result: %s",
                self.root,
                shortened(done.removed),
            )
        if done.remaining:
            logger.warning(
                "warning: %s in %s belonged to an earlier result and was changed since: left as it "
                "is",
                shortened(done.remaining),
                self.root,
            )


class _InStaging(ResultFolder):
    """A folder within the staging folder of a result that this run is writing: part of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, Manifest(), overwrite=True)

    @property
    def unfinished(self) -> Path:
        staging = next(index for index, part in enumerate(self.root.parts) if is_staging_name(part))
        return unfinished_folder(Path(*self.root.parts[:staging]))

    @contextmanager
    def staged(self, *, complete: bool = False) -> Iterator[Staging]:
        self.root.mkdir(parents=True, exist_ok=True)
        yield Staging(self.root, self.root, self.guard)


# Of this process, by thread: a door within a door of the same folder is the same.
_open: dict[tuple[Path, int], ResultFolder] = {}


@contextmanager
def open_result(
    root: str | Path, *, overwrite: bool = False, wait_seconds: float = 0.0
) -> Iterator[ResultFolder]:
    """Open a folder to write results to, made if missing, and hold it while the block runs.

    What an interrupted run left to do there is done first, and what dead ones left behind removed.
    ``overwrite`` allows to replace what is not ours. When the block fails, folders that were made
    for it are gone again.

    Raises:
        OutputError: nothing can be written there, another run is writing there (still after
            ``wait_seconds``), or the folder is part of another result.
    """
    root = Path(root)
    key = root.resolve(), threading.get_ident()
    if key in _open:
        _open[key].overwrite |= overwrite
        yield _open[key]
        return
    if any(is_staging_name(part) for part in root.parts):
        yield _InStaging(root)
        return
    with ExitStack() as stack:
        # Only what preparing the folder meets is named after it, not what the block raises.
        try:
            _refuse_part_of_another(root)
            stack.enter_context(folder_made(root))
            stack.enter_context(folder_lock(root, wait_seconds))
            result = ResultFolder(root, _recovered(root, overwrite), overwrite=overwrite)
            _clean(root, result.guard)
        except OSError as error:
            raise output_error(root, error) from error
        _open[key] = result
        try:
            yield result
        finally:
            del _open[key]


def settle(path: str | Path) -> None:
    """Finish the move into place that a killed run has begun in the folder of ``path`` or above.

    Every reader of results calls this first.

    Raises:
        OutputError: that cannot be done; the folder holds parts of two results.
    """
    path = Path(path).absolute()
    for folder in (path, *path.parents):
        if _is_moving(folder) and (folder.resolve(), threading.get_ident()) not in _open:
            try:
                with folder_lock(folder, _READER_WAITS):
                    _recovered(folder, overwrite=False)
            except OSError as error:
                raise _unfinished(folder, error.strerror or str(error)) from error


def _is_moving(folder: Path) -> bool:
    try:
        manifest = read_manifest(folder)
    except OutputError:
        return False
    return manifest is not None and manifest.move is not None


def _recovered(root: Path, overwrite: bool) -> Manifest:
    """The manifest once what was begun is finished; an empty one without any."""
    manifest = read_manifest(root) or Manifest()
    if manifest.move is None:
        return manifest
    try:
        return finish_move(root, manifest.move)
    except (OSError, OutputError) as error:
        if overwrite:
            return Manifest({**manifest.files, **manifest.move.files})
        reason = getattr(error, "strerror", None) or str(error)
        raise _unfinished(root, reason) from error


def _unfinished(root: Path, reason: str) -> OutputError:
    return OutputError(
        f"{root} is unfinished, because a run was stopped while it moved its files there, and it "
        f"cannot be finished ({reason}): write the result once more, with --overwrite "
        "(overwrite=True)"
    )


def _clean(root: Path, guard: Guard) -> None:
    """Remove what dead runs left: we hold the folder, so that no live one writes there."""
    for folder in {root, *((root / path).parent for path in guard.files)}:
        if not folder.is_symlink() or folder == root:
            remove_dead_temporaries(folder, alone=True)
    for path in root.iterdir():
        if is_staging_name(path.name):
            remove_whole(path)


def _refuse_part_of_another(root: Path) -> None:
    inner = root.absolute()
    for folder in inner.parents:
        manifest = read_manifest(folder)
        if manifest is None:
            continue
        below = f"{inner.relative_to(folder).as_posix()}/"
        if any(path.startswith(below) for path in manifest.files):
            raise OutputError(f"{root} is part of the result in {folder}: choose another folder")
