"""The log of a run: one JSON object a line, and the learning curve as a picture."""

import json
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from glance3d.errors import InputError, OutputError
from glance3d.files.atomic import atomic_file, output_error
from glance3d.files.text_input import TEXT_LIMIT, read_bytes

_LOG = logging.getLogger("glance3d")
_MAX_LINES_NAMED = 5
_LARGEST = 1e100  # of a number in a curve; NaN and infinity are none either
_COLORS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14))


class TrainingLog:
    """``log.jsonl`` of a run: every line has ``kind``, ``step`` and ``samples``.

    A line that was cut short when an earlier process ended, or a disk was full, is dropped before
    the first new one is appended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_mended = False

    def write(self, kind: str, step: int, samples: int, **values: Any) -> None:
        """Append a line. Numbers that are not finite are written as strings."""
        line = {"kind": kind, "step": step, "samples": samples}
        line |= {key: _json_number(value) for key, value in values.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._mend()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            self._is_mended = False  # the file may end with a part of the line
            raise output_error(self.path, error) from error

    def _mend(self) -> None:
        """Drop an incomplete last line of the file, or add its missing end of line."""
        if self._is_mended or not self.path.exists():
            self._is_mended = True
            return
        content = read_bytes(self.path, error=OutputError, limit=TEXT_LIMIT)
        whole, _, torn = content.rpartition(b"\n")
        if _parsed(torn.decode("utf-8", "replace")) is not None:  # only its end of line is missing
            with self.path.open("ab") as file:
                file.write(b"\n")
        elif torn:
            os.truncate(self.path, len(whole) + 1 if whole or content.startswith(b"\n") else 0)
            _LOG.warning(
                "the last line of %s was cut short (%d bytes) and is dropped", self.path, len(torn)
            )
        self._is_mended = True


def _json_number(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else str(value)
    return value


def read_log(path: str | Path, kind: str) -> list[dict[str, Any]]:
    """All lines of one kind: "train", "validation", "spike", "skipped" ...

    Damaged lines are left out, and a warning names them.

    Raises:
        InputError: the file cannot be read, or is larger than a log can be.
    """
    content = read_bytes(path, error=InputError, limit=TEXT_LIMIT)
    lines, damaged = [], []
    for number, raw in enumerate(content.decode("utf-8", "replace").split("\n"), start=1):
        line = _parsed(raw)
        if line is not None:
            lines.append(line)
        elif raw.strip():
            damaged.append(number)
    if damaged:
        shown = ", ".join(map(str, damaged[:_MAX_LINES_NAMED]))
        more = f" and {len(damaged) - _MAX_LINES_NAMED} more" if damaged[_MAX_LINES_NAMED:] else ""
        _LOG.warning("warning: lines %s%s of %s are damaged and left out", shown, more, path)
    return [line for line in lines if line["kind"] == kind]


def _parsed(text: str) -> dict[str, Any] | None:
    """The JSON object of a line, or None for a damaged line."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not isinstance(line.get("kind"), str):
        return None
    counts = [line.get("step"), line.get("samples")]
    valid = all(type(count) is int and 0 <= count < 2**53 for count in counts)
    return line if valid else None


def draw_learning_curve(
    lines: Sequence[dict[str, Any]], names: Sequence[str], path: str | Path, smooth: float
) -> None:
    """Curves of ``names`` over samples, each scaled to its own range, as a PNG.

    ``smooth``, 0 to 1, is the weight of the mean of earlier values.
    """
    width, height, margin = 960, 480, 40
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((margin, margin, width - margin, height - margin), outline=(160, 160, 160))
    last_sample = max((line["samples"] for line in lines), default=0)
    in_width = (width - 2 * margin) / max(last_sample, 1)
    draw.text((margin, height - margin + 8), f"0 to {last_sample} samples", fill="black")
    for index, name in enumerate(names):
        points = [
            (line["samples"], line[name])
            for line in lines
            if isinstance(line.get(name), float) and abs(line[name]) < _LARGEST
        ]
        if len(points) < 2:
            continue
        values = _smoothed([value for _, value in points], smooth)
        low, high = min(values), max(values)
        span, color = max(high - low, 1e-12), _COLORS[index % len(_COLORS)]
        draw.line(
            [
                (
                    margin + samples * in_width,
                    height - margin - (value - low) / span * (height - 2 * margin),
                )
                for (samples, _), value in zip(points, values, strict=True)
            ],
            fill=color,
            width=2,
        )
        label = f"{name}: {values[-1]:.4g}  ({low:.4g} to {high:.4g})"
        draw.text((margin + 8, margin + 6 + 14 * index), label, fill=color)
    with atomic_file(path) as temporary:
        image.save(temporary, format="PNG")


def _smoothed(values: Sequence[float], smooth: float) -> list[float]:
    """Exponential mean, corrected for its start."""
    out, mean, weight = [], 0.0, 0.0
    for value in values:
        mean = smooth * mean + (1 - smooth) * value
        weight = smooth * weight + (1 - smooth)
        out.append(mean / weight)
    return out
