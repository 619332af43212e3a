"""The record of a run: one JSON object a line, and the learning curve as a picture."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from glance3d.files import atomic_file, output_error

_COLORS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14))


class Journal:
    """``log.jsonl`` of a run: every line has ``kind``, ``step`` and ``samples``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, kind: str, step: int, samples: int, **values: Any) -> None:
        """Append a line. Numbers that are not finite are written as strings."""
        line = {"kind": kind, "step": step, "samples": samples}
        line |= {key: _json_number(value) for key, value in values.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise output_error(self.path, error) from error


def _json_number(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else str(value)
    return value


def read_journal(path: str | Path, kind: str) -> list[dict[str, Any]]:
    """All lines of one kind: "train", "validation", "spike", "skipped" ..."""
    lines = (json.loads(line) for line in Path(path).read_text().splitlines() if line.strip())
    return [line for line in lines if line["kind"] == kind]


def draw_learning_curve(
    lines: Sequence[dict[str, Any]], names: Sequence[str], path: str | Path, smooth: float
) -> None:
    """Curves of ``names`` over samples, each scaled to its own range, as a PNG.

    ``smooth``, 0 to 1, is how much of each value is the mean of those before.
    """
    width, height, margin = 960, 480, 40
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((margin, margin, width - margin, height - margin), outline=(160, 160, 160))
    last_sample = max((line["samples"] for line in lines), default=0)
    draw.text((margin, height - margin + 8), f"0 to {last_sample} samples", fill="black")
    for index, name in enumerate(names):
        points = [
            (line["samples"], line[name]) for line in lines if isinstance(line.get(name), float)
        ]
        if len(points) < 2:
            continue
        values = _smoothed([value for _, value in points], smooth)
        low, high = min(values), max(values)
        span, color = max(high - low, 1e-12), _COLORS[index % len(_COLORS)]
        draw.line(
            [
                (
                    margin + samples / last_sample * (width - 2 * margin),
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
