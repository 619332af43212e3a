"""Warnings about many photos, one sentence for each kind."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from glance3d.text import names_and_count

_SHOWN = 3


def some(names: Sequence[str]) -> str:
    """The first few names, and how many there are besides."""
    return names_and_count(names, _SHOWN)


@dataclass
class Sentences:
    """Sentences with ``{}`` where the names of the photos go of which they are true."""

    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, sentence: str, name: str) -> None:
        """The sentence is true of one more photo."""
        self.names.setdefault(sentence, []).append(name)

    def sentences(self) -> tuple[str, ...]:
        """Each sentence once, with the first names of its photos."""
        return tuple(text.replace("{}", some(names)) for text, names in self.names.items())
