"""What a scene's report says, asked for safely: a report may come from anywhere, or be missing."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from glance3d.types import Reconstruction

# Folders that are called after what lies in them say nothing of what it shows.
_PLAIN_NAMES = {"", "images", "imgs", "photos", "pictures", "input", "rgb", "color", "frames"}
_STAGES = {
    "load_model": "load the model",
    "load_images": "load the photos",
    "predict": "one pass of the network",
    "to_scene": "points from depth",
    "refine": "refine the cameras",
    "densify": "measure depth",
    "write": "write the files",
}


def part(report: Any, *keys: str) -> Any:
    """The value below these keys; None where a key is missing or there is no dict."""
    for key in keys:
        report = report.get(key) if isinstance(report, dict) else None
    return report


def scene_title(scene: Reconstruction) -> str:
    """What to call the scene: the folder that its photos came from."""
    folders = PurePath(scene.sources[0]).parts[:-1]
    for name in reversed(folders):
        if name.strip("/\\").lower() not in _PLAIN_NAMES:
            return name
    return "Scene"


def warnings_of(scene: Reconstruction) -> list[str]:
    """Everything that a person should be told, once each."""
    report = scene.report
    sentences = [*_sentences(report.get("warnings"))]
    contradictions = part(report, "trust", "contradictions")
    if isinstance(contradictions, list):
        sentences += _sentences([part(contradiction, "reason") for contradiction in contradictions])
    skipped = report.get("skipped")
    if isinstance(skipped, list):
        for photo in skipped:
            name = PurePath(str(part(photo, "source") or "a photo")).name
            sentences.append(f"{name} was left out: {part(photo, 'reason')}")
    return list(dict.fromkeys(sentences))


def stage_times(scene: Reconstruction) -> list[tuple[str, float]]:
    """(stage in words, seconds), without the total."""
    times = scene.report.get("times")
    if not isinstance(times, dict):
        return []
    return [
        (_STAGES.get(name, str(name).replace("_", " ")), float(seconds))
        for name, seconds in times.items()
        if name != "total" and isinstance(seconds, int | float)
    ]


def in_words(seconds: float | int) -> str:
    """A duration for a person."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def licence_in_words(scene: Reconstruction) -> str:
    """Of the weights that made the scene, and what that means for whoever gets it."""
    weights = part(scene.report, "model", "weights")
    licence = part(weights, "licence")
    if not licence:
        return "the licence of the weights is not known"
    may = part(weights, "commercial_use")
    if may is None:
        return str(licence)
    return f"{licence} ({'commercial use allowed' if may else 'no commercial use'})"


def count(number: int, what: str, many: str | None = None) -> str:
    """``1 photo``, ``12 photos``, ``12,345 points``."""
    return f"{number:,} {what if number == 1 else many or what + 's'}"


def _sentences(values: Any) -> Sequence[str]:
    return [str(text) for text in values if text] if isinstance(values, list) else []
