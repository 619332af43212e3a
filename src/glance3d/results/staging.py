"""Where the files of a result are written before they are moved into place."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from glance3d.results.fingerprint import Part
from glance3d.results.guard import Guard


@dataclass
class Staging:
    """The folder ``folder`` to write to stands for ``root``, where its files will stand.

    ``kept`` are files of the result that stand at their places already; ``parts`` says which part
    of a file its fingerprint is to be of, where that is not all of it. Both by path in ``root``.
    """

    folder: Path
    root: Path
    guard: Guard
    kept: set[str] = field(default_factory=set)
    parts: dict[str, Part] = field(default_factory=dict)

    def staged(self, path: Path) -> Path:
        """Where to write what will stand at ``path``, somewhere in ``root``."""
        return self.folder / path.relative_to(self.root)

    def final(self, path: Path) -> Path:
        """Where a file in ``folder`` will stand."""
        return self.root / path.relative_to(self.folder)

    def finals(self, paths: Iterable[Path]) -> list[Path]:
        """The same of several."""
        return [self.final(path) for path in paths]

    def find(self, path: Path) -> Path:
        """A file in ``folder``, or where it was not written, the one that stands at its place."""
        return path if path.exists() else self.final(path)

    def owns(self, final: Path) -> bool:
        """Whether the file that stands there is ours, and unchanged."""
        return self.guard.owns(self._relative(final))

    def keep(self, final: Path) -> None:
        """Neither write nor remove this file, wherever it is: it is used as it stands.

        If it was ours, it still is afterwards.
        """
        absolute = Path(os.path.abspath(final))  # noqa: PTH100 (links are not followed)
        root = Path(os.path.abspath(self.root))  # noqa: PTH100
        for path, top in ((absolute, root), (final.resolve(), root.resolve())):
            if path.is_relative_to(top):
                self.kept.add(path.relative_to(top).as_posix())

    def _relative(self, final: Path) -> str:
        return final.relative_to(self.root).as_posix()
