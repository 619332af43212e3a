"""The folder of a run: written many times during it, all files of one time together."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glance3d.results import Claims, ResultFolder, Staging, open_result, read_manifest

CHECKPOINT, WEIGHTS, CURVE = "checkpoint.pt", "weights.safetensors", "curve.png"
CONFIG, LOG = "config.json", "log.jsonl"
FILES = (CONFIG, CHECKPOINT, WEIGHTS, CURVE, LOG)


class RunFolder:
    """``out`` of one trainer, which may write to it many times.

    The manifest identifies checkpoint and weights, which have gigabytes, by their size and ends,
    and the log, to which lines are appended in place, by its start.
    """

    def __init__(self, out: Path, *, overwrite: bool, files: tuple[str, ...] = FILES) -> None:
        self.out = out
        self.files = files
        self.overwrite = overwrite
        #: Whether the run resumes a checkpoint of ``out``, whose files are then its own.
        self.goes_on = False
        self._result: ResultFolder | None = None

    @contextmanager
    def open(self) -> Iterator[ResultFolder]:
        """Lock the folder; nested blocks share one lock.

        Raises:
            OutputError: another run writes there, or it holds files of such names that Glance3D
                did not write.
        """
        is_run = self.goes_on and read_manifest(self.out) is None
        with open_result(self.out, overwrite=self.overwrite) as result:
            if result is not self._result:
                if is_run:
                    result.adopt(*(n for n in self.files if n != LOG and (self.out / n).is_file()))
                    result.adopt(LOG, part="start")
                result.claim(Claims(self.files))
                if not result.guard.owns(LOG):
                    result.adopt(LOG, part="start")
                self._result = result
            yield result

    @contextmanager
    def staged(self) -> Iterator[Staging]:
        """A folder to write some of ``files`` to, which are then moved into place as one."""
        with self.open() as result, result.staged() as staging:
            staging.parts |= {CHECKPOINT: "ends", WEIGHTS: "ends"}
            yield staging
