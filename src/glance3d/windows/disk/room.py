"""How much of a disk windows take until their scene is written."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glance3d.errors import OutputError
from glance3d.models.memory.pass_sizes import FLOAT32, MAP_CHANNELS
from glance3d.text import gigabytes
from glance3d.types import ImageBatch
from glance3d.windows.loops.sizes import most_looks, views_of_end

_OF_A_FILE = 4096  # its names and hashes
_OF_A_VIEW = 4 * 30  # cameras
_SCENE_BYTES = 4  # colours and mask of a pixel in scene.npz


@dataclass(frozen=True)
class DiskUse:
    """Bytes of windows of ``of_windows`` views each, and of the scene that is made of them.

    ``image_size`` is (height, width). ``scene`` is the size of ``scene.npz`` alone: what else is
    written of a scene depends on the photos' own sizes. ``loops``: loops between windows are looked
    for, in further passes.
    """

    of_windows: tuple[int, ...]
    num_views: int
    image_size: tuple[int, int]
    outputs: tuple[str, ...]
    loops: bool = False

    @classmethod
    def of(
        cls,
        windows: Sequence[tuple[int, ...]],
        batch: ImageBatch,
        outputs: Sequence[str],
        *,
        loops: bool,
    ) -> "DiskUse":
        """Of these windows of a batch; ``outputs`` are what each predicts."""
        sizes = tuple(map(len, windows))
        return cls(sizes, len(batch.names), batch.image_size, tuple(outputs), loops)

    @property
    def windows(self) -> int:
        """All windows, in float32."""
        return sum(map(self.window, range(len(self.of_windows))))

    def window(self, index: int) -> int:
        """One of them."""
        return self._file(self.of_windows[index], self._channels)

    @property
    def looks(self) -> int:
        """All passes over likely loops, at most."""
        if not self.loops:
            return 0
        of_pass = self._file(2 * views_of_end(self.of_windows), MAP_CHANNELS["depth"])
        return most_looks(self.of_windows) * of_pass

    def _file(self, num_views: int, channels: int) -> int:
        height, width = self.image_size
        return num_views * (channels * FLOAT32 * height * width + _OF_A_VIEW) + _OF_A_FILE

    @property
    def scene(self) -> int:
        """``scene.npz``, which is written while the windows are still there."""
        height, width = self.image_size
        return self.num_views * height * width * (_SCENE_BYTES + self._channels * FLOAT32)

    def refuse_full_disk(self, folder: Path, missing: Sequence[int]) -> None:
        """Refuse now what the disk of a folder has no room for; ``missing`` are to be written yet.

        Raises:
            OutputError: in one sentence, with what to do.
        """
        needed = sum(map(self.window, missing)) + self.looks + self.scene
        free = free_room(folder)
        if free is not None and needed > free:
            raise OutputError(
                f"{len(missing)} windows and the scene made of them need {gigabytes(needed)} on "
                f"the disk of {folder}, and {gigabytes(free)} are free: free some space, choose "
                "another disk (--out), or fewer pixels (max_pixels)"
            )

    def line(self, folder: Path) -> str:
        """For a plan: what it takes, and what the disk of a folder has free."""
        free = free_room(folder)
        verdict = "" if free is None else f"; {gigabytes(free)} are free there"
        return f"{self.sentence()}, scene.npz {gigabytes(self.scene)}{verdict}"

    def sentence(self) -> str:
        """How many windows there are, and what they take."""
        loops = f", passes over likely loops at most {gigabytes(self.looks)}" if self.looks else ""
        return (
            f"{len(self.of_windows)} windows of {max(self.of_windows)} photos take "
            f"{gigabytes(self.windows)} on the disk until the scene is written{loops}"
        )

    @property
    def _channels(self) -> int:
        return sum(MAP_CHANNELS.get(output, 0) for output in self.outputs)


def free_room(folder: Path) -> int | None:
    """Bytes that may still be written where a folder is, or will be made; None if nobody says."""
    for path in (folder, *folder.absolute().parents):
        try:
            return shutil.disk_usage(path).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None
