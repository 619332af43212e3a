"""What a scene was made from: options and photos, short enough to keep and to compare."""

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from glance3d.batches.scenes import BatchScene
from glance3d.errors import Glance3DError
from glance3d.files.atomic import to_json_text
from glance3d.images.clips.frame_paths import file_of
from glance3d.images.finding.content import content_of
from glance3d.images.finding.sources import find_sources
from glance3d.models import ModelSource
from glance3d.models.adapters.files import find_adapter
from glance3d.pipeline import SceneRecipe
from glance3d.results import Fingerprint

_LONGEST = 60  # characters of a value that is kept as it is


@dataclass(frozen=True)
class InputFiles:
    """The photos, clips and masks of a scene, in order."""

    paths: tuple[Path, ...]

    @classmethod
    def of(cls, scene: BatchScene) -> "InputFiles":
        """As they are found now.

        Raises:
            ImageError: there are none.
        """
        masks = scene.recipe.inputs.masks
        found = find_sources(scene.sources, apart=masks if isinstance(masks, Path) else None)
        folder = Path(masks) if isinstance(masks, str | Path) else None
        of_masks = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
        return cls((*map(file_of, found.paths), *(path for path in of_masks if path.is_file())))

    def stamps(self) -> str:
        """A digest of names, sizes and times of change, which reads no file."""
        status = [(path.name, path.stat()) for path in self.paths]
        return _digest([(name, one.st_size, one.st_mtime_ns) for name, one in status])

    def content(self) -> str:
        """A digest of names and of all that is in the files."""
        return _digest([(path.name, content_of(path).sha256) for path in self.paths])


def describe_options(recipe: SceneRecipe, source: ModelSource) -> dict[str, str]:
    """What is not as it is by default, by dotted names; long values by their digest."""
    described = {"model": _model(source), **_flat(recipe, "")}
    return {
        name: text if len(text) <= _LONGEST else _digest(text) for name, text in described.items()
    }


def changes_since(scene: BatchScene, source: ModelSource, result: Mapping[str, Any]) -> list[str]:
    """What is no more as it was when the scene was made, in words; empty if all is."""
    before, now = dict(result.get("options", {})), describe_options(scene.recipe, source)
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    changes = [f"options ({', '.join(sorted(changed))})"] if changed else []
    try:
        files = InputFiles.of(scene)
        is_same = result.get("stamps") == files.stamps() or result.get("content") == files.content()
    except (Glance3DError, OSError):
        return [*changes, "photos (they cannot be read any more)"]
    return changes if is_same else [*changes, "photos"]


def _model(source: ModelSource) -> str:
    """The network's name, its precision, and of files of weights and adapters what they hold."""
    files = [Path(str(one)) for one in (source.name, source.weights) if one is not None]
    files += [] if source.adapter is None else [find_adapter(source.adapter)]
    marks = [Fingerprint.of(path, "ends").sha256 for path in files if path.is_file()]
    return " ".join([source.network_name, source.precision, *marks])


def _flat(value: Any, prefix: str) -> dict[str, str]:
    """The fields of a dataclass and those of dataclasses in it, where they are no defaults."""
    texts: dict[str, str] = {}
    for one in fields(value):
        item, name = getattr(value, one.name), f"{prefix}{one.name}"
        if is_dataclass(item) and prefix == "":
            texts |= {name: "given"} if one.default is None else {}
            texts |= _flat(item, f"{name}.")
        elif (plain := _plain(item)) != _plain(_default(one)):
            texts[name] = to_json_text(plain)
    return texts


def _default(one: Field) -> Any:
    if one.default_factory is not MISSING:
        return one.default_factory()
    return None if one.default is MISSING else one.default


def _plain(value: Any) -> Any:
    """Dataclasses as objects without their defaults, arrays and tensors by their digest."""
    if is_dataclass(value) and not isinstance(value, type):
        items = {one.name: (getattr(value, one.name), _default(one)) for one in fields(value)}
        plain = {name: (_plain(item), _plain(default)) for name, (item, default) in items.items()}
        return {name: item for name, (item, default) in plain.items() if item != default}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | Tensor):
        array = np.asarray(value)
        return f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _digest(value: Any) -> str:
    text = value if isinstance(value, str) else to_json_text(value)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]
