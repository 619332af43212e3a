"""A scene's report in words; any part of a report may be missing."""

from pathlib import PurePath

from glance3d.types import Reconstruction

# Folder names that do not describe the scene.
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


def scene_title(scene: Reconstruction) -> str:
    """Title of the scene: the name of its photos' folder."""
    folders = PurePath(scene.sources[0]).parts[:-1]
    for name in reversed(folders):
        if name.strip("/\\").lower() not in _PLAIN_NAMES:
            return name
    return "Scene"


def warnings_of(scene: Reconstruction) -> list[str]:
    """All warnings for a person, each once."""
    report = scene.report
    texts = [warning.text for warning in report.warnings]
    contradictions = report.trust.contradictions if report.trust else ()
    texts += [contradiction.reason for contradiction in contradictions]
    for photo in report.photos.skipped or ():
        texts.append(f"{PurePath(photo.source or 'a photo').name} was left out: {photo.reason}")
    return list(dict.fromkeys(text for text in texts if text))


def stage_times(scene: Reconstruction) -> list[tuple[str, float]]:
    """(stage in words, seconds), without the total."""
    return [
        (_STAGES.get(name, str(name).replace("_", " ")), float(seconds))
        for name, seconds in (scene.report.times or {}).items()
        if name != "total"
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
    """Licence of the weights, and what it means for people who receive the scene."""
    weights = scene.report.made.model.weights
    if not weights.licence:
        return "the licence of the weights is not known"
    if weights.commercial_use is None:
        return weights.licence
    if weights.commercial == "disputed":
        return f"{weights.licence} (commercial use disputed)"
    may = "commercial use allowed" if weights.commercial_use else "no commercial use"
    return f"{weights.licence} ({may})"


def count(number: int, what: str, many: str | None = None) -> str:
    """``1 photo``, ``12 photos``, ``12,345 points``."""
    return f"{number:,} {what if number == 1 else many or what + 's'}"
