"""Which frames of a scene a protocol looks at: by a rule, or by a list in a file."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glance3d.errors import InputError
from glance3d.evaluation.protocols.truth import ListedScene
from glance3d.evaluation.scenes import evenly_spaced
from glance3d.files.json_input import parse_json_object
from glance3d.files.text_input import read_bytes

RULES = ("all", "every", "evenly", "span", "draw")


@dataclass(frozen=True)
class FrameRule:
    """Which frames of a scene's list count, in their order.

    Rules:
        ``all``: every frame.
        ``every``: the first and each ``step``-th after it.
        ``evenly``: at most ``count``, the first among them, evenly spaced.
        ``span``: from ``start`` (counted from 0), at most ``count``.
        ``draw``: ``count`` of them at random, the same on every machine: those whose name has the
            smallest SHA-256 of ``"seed/scene/frame"``. A scene with fewer is left out.

    ``first`` is "first", or "middle": the middle one of the chosen frames then comes first, which
    is the frame whose camera many networks take as the world.
    """

    rule: str = "all"
    step: int = 1
    count: int = 0
    start: int = 0
    seed: int = 0
    first: str = "first"

    def __post_init__(self) -> None:
        """Refuse what chooses nothing."""
        if self.rule not in RULES:
            raise InputError(f"rule must be one of {', '.join(RULES)}, got {self.rule!r}")
        if self.first not in ("first", "middle"):
            raise InputError(f"first must be first or middle, got {self.first!r}")
        if self.step < 1 or self.start < 0:
            raise InputError(f"step must be above 0 and start not below, got {self}")
        if self.rule in ("evenly", "span", "draw") and self.count < 1:
            raise InputError(f"the rule {self.rule} needs a count of 1 or more, got {self.count}")

    def choose(self, scene: ListedScene) -> list[int]:
        """Places in ``scene.frames``; none where the scene has too few."""
        every = range(len(scene.frames))
        if self.rule == "every":
            chosen = list(every[:: self.step])
        elif self.rule == "evenly":
            chosen = evenly_spaced(len(every), self.count)
        elif self.rule == "span":
            chosen = list(every[self.start : self.start + self.count])
        elif self.rule == "draw":
            chosen = self._draw(scene)
        else:
            chosen = list(every)
        return with_middle_first(chosen) if self.first == "middle" else chosen

    def _draw(self, scene: ListedScene) -> list[int]:
        if len(scene.frames) < self.count:
            return []

        def lot(place: int) -> bytes:
            words = f"{self.seed}/{scene.name}/{scene.frames[place]}"
            return hashlib.sha256(words.encode()).digest()

        return sorted(sorted(range(len(scene.frames)), key=lot)[: self.count])


def with_middle_first(places: list[int]) -> list[int]:
    """The middle one moved to the front."""
    if not places:
        return []
    middle = len(places) // 2
    return [places[middle], *places[:middle], *places[middle + 1 :]]


@dataclass(frozen=True)
class FrameList:
    """Frames by name, scene by scene, from a file: ``{"scene": ["frame", ...]}``.

    ``sha256`` is of the file's bytes.
    """

    path: Path
    sha256: str
    scenes: dict[str, tuple[str, ...]]

    def choose(self, scene: ListedScene) -> list[int]:
        """Places of the named frames, in the list's order; none of a scene that is not named.

        Raises:
            InputError: a frame is named that the scene does not have.
        """
        places = {name: place for place, name in enumerate(scene.frames)}
        named = self.scenes.get(scene.name, ())
        missing = [name for name in named if name not in places]
        if missing:
            example = scene.frames[0] if scene.frames else "none"
            raise InputError(
                f"{self.path} names the frame {missing[0]!r} of {scene.name}, which is not in the "
                f"data: frames there are called as {example!r}"
            )
        return [places[name] for name in named]


def read_frame_list(path: Path) -> FrameList:
    """The list in a JSON file. Raises ``InputError`` that says what is wrong."""
    content = read_bytes(path, error=InputError, limit=256 * 1024**2)
    record = parse_json_object(content.decode(errors="replace"), str(path), error=InputError)
    for scene, names in record.items():
        is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not is_list or not names:
            raise InputError(
                f"{path} must hold a list of names of frames for each scene, got {scene!r}: "
                f"{str(names)[:40]}"
            )
    scenes = {scene: tuple(names) for scene, names in record.items()}
    return FrameList(path, hashlib.sha256(content).hexdigest(), scenes)


def digest_of_frames(scenes: Sequence[tuple[str, Sequence[str]]]) -> str:
    """SHA-256 of the frames that were looked at: a line ``scene<TAB>frame`` for each, in order."""
    lines = (f"{scene}\t{name}\n" for scene, names in scenes for name in names)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
