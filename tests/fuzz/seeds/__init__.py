"""What is mutated: small whole inputs, drawn by code, one module for what belongs together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Seed:
    """A whole input: files by their path in a folder; ``mutated`` are those that are damaged."""

    files: Mapping[str, bytes]
    mutated: tuple[str, ...] = ()

    @property
    def chosen(self) -> tuple[str, ...]:
        """The files that are mutated: all of them, unless it says which."""
        return self.mutated or tuple(self.files)


def seed_of_folder(folder: Path, mutated: tuple[str, ...] = ()) -> Seed:
    """The files below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return Seed({str(path.relative_to(folder)): path.read_bytes() for path in paths}, mutated)
