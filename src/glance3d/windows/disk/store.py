"""Windows in files: as many as there may be, of which few are mapped at a time."""

from collections.abc import Callable, Sequence
from pathlib import Path

from glance3d.errors import OutputError
from glance3d.results.unfinished import LOOK_PREFIX
from glance3d.types import Predictions
from glance3d.windows.disk.window_file import Fits, StoredWindow, read_window, write_window
from glance3d.windows.passes import COMPARED, on_cpu

_MAPPED_AT_ONCE = 4  # neighbours are asked for in turn, of each view that they share


class DiskStore:
    """A :class:`~glance3d.windows.WindowStore` in a folder, a file for each window, by its key.

    What whole files of these keys the folder holds already is taken: ``num_taken`` windows. Passes
    over loops are kept too, each by the ``key_of`` its views.
    """

    def __init__(
        self, folder: Path, keys: Sequence[str], key_of: Callable[[Sequence[int]], str]
    ) -> None:
        self.folder = folder
        self.keys = tuple(keys)
        self.num_looks = 0
        self._key_of = key_of
        self.given_fits: dict[int, Fits] = {}
        self._held: set[int] = set()
        self._mapped: dict[int, Predictions] = {}
        for index, key in enumerate(keys):
            found = read_window(self._path(index), key, verify=True)
            if found is not None:
                self._take(index, found)
        self.num_taken = len(self._held)

    def __contains__(self, index: int) -> bool:
        """Whether this window was put here, in this run or an earlier one."""
        return index in self._held

    def __len__(self) -> int:
        return len(self._held)

    def put(self, index: int, predictions: Predictions) -> None:
        """Write what the network said of a window, as a whole.

        Raises:
            OutputError: the file system refuses.
        """
        fits = self.given_fits.get(index, ())
        write_window(self._path(index), self.keys[index], predictions, fits)
        self._held.add(index)

    def get(self, index: int) -> Predictions:
        """What was put there, mapped.

        Raises:
            KeyError: nothing was.
            OutputError: somebody has removed or changed the file.
        """
        if index not in self._held:
            raise KeyError(index)
        if index not in self._mapped:
            path = self._path(index)
            found = read_window(path, self.keys[index], verify=False)
            if found is None:
                raise OutputError(f"{path} was removed or changed during the run: run it again")
            while len(self._mapped) >= _MAPPED_AT_ONCE:
                del self._mapped[next(iter(self._mapped))]
            self._mapped[index] = found.predictions()
        return self._mapped[index]

    def look(
        self, views: Sequence[int], predict_views: Callable[[Sequence[int]], Predictions]
    ) -> Predictions:
        """What a pass over views that are no window says, as it was kept; else it is made and kept.

        Raises:
            OutputError: the file system refuses.
        """
        key = self._key_of(views)
        path = self.folder / f"{LOOK_PREFIX}{key}.safetensors"
        found = read_window(path, key, verify=True)
        if found is None:
            predictions = on_cpu(predict_views(views), COMPARED)
            write_window(path, key, predictions, ())
        else:
            predictions = found.predictions()
        self.num_looks += 1
        return predictions

    def close(self) -> None:
        """Map nothing any more."""
        self._mapped.clear()

    def _take(self, index: int, found: StoredWindow) -> None:
        self._held.add(index)
        if fits := found.given_fits():
            self.given_fits[index] = fits

    def _path(self, index: int) -> Path:
        return self.folder / f"{self.keys[index]}.safetensors"
