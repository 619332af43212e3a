"""Peak memory of a run in windows against the number of photos: ``python -m benchmarks.streaming``.

Drawn photos go through ``glance3d reconstruct --window`` with a tiny network, each count of photos
in a process of its own. For every stage: the most resident memory, and how it grows with the
photos, in bytes for a pixel of the network's grid. The scene itself holds 24 of them (colours 3,
mask 1, depth 4, confidence 4, world points 12). The drawn photos' cameras lie close together, so
that all see all points: observations of the COLMAP model, which grow with points times the photos
that see them, are the most there can be (``--without colmap`` leaves them out).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from glance3d.exporters import write_scene_folder
from glance3d.exporters.claims import usual_formats
from glance3d.images import InputOptions
from glance3d.models import ModelSource, build_model, config
from glance3d.models.weights.files import save_weights
from glance3d.pass_options import PassOptions
from glance3d.reconstruction import reconstruct_scene
from glance3d.reporting.times import peak_process_memory
from glance3d.results import open_result
from glance3d.windows.disk import WindowFolder

STAGES = ("start", "photos", "scene", "files")


def main() -> None:
    """Measure every count, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--views", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--side", type=int, default=196, help="of the network's grid, in pixels")
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--in-memory", action="store_true", help="windows are no files")
    parser.add_argument("--without", nargs="*", default=[], help="formats that are not written")
    parser.add_argument("--alone", action="store_true", help="one count, in this process: JSON")
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(peaks(options)))
        return
    measured = {views: _in_child(views) for views in options.views}
    print("| photos | " + " | ".join(f"{stage}, MB" for stage in STAGES) + " |")
    print("| --- " * (1 + len(STAGES)) + "|")
    for views, peak in measured.items():
        print(f"| {views} | " + " | ".join(f"{peak[stage] / 1e6:.0f}" for stage in STAGES) + " |")
    for few, many in pairwise(options.views):
        pixels = (many - few) * options.side**2
        grown = [(measured[many][stage] - measured[few][stage]) / pixels for stage in STAGES]
        print(f"| {few} to {many}, bytes a pixel | " + " | ".join(f"{g:.1f}" for g in grown) + " |")


def peaks(options: argparse.Namespace) -> dict[str, int]:
    """The most memory in use during each stage of one run."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="glance3d-streaming-") as name:
        root = Path(name)
        draw_photos(root / "photos", options.views[0], options.side)
        weights = root / "tiny.safetensors"
        save_weights(build_model(config.tiny()), weights, config.tiny())
        inputs = InputOptions({"max_pixels": options.side**2})
        passes = PassOptions(window=options.window)
        peak, out = {"start": _peak_since()}, root / "out"
        with open_result(out), WindowFolder(out) as kept:
            scene = reconstruct_scene(
                root / "photos",
                ModelSource(weights, device="cpu"),
                inputs,
                passes,
                on_loaded=lambda _: peak.update(photos=_peak_since()),
                keep_in=None if options.in_memory else kept,
            )
            peak["scene"] = _peak_since()
            formats = [name for name in usual_formats() if name not in options.without]
            write_scene_folder(scene, out, formats=formats)
            peak["files"] = _peak_since()
    return peak


def draw_photos(folder: Path, count: int, side: int) -> None:
    """Overlapping crops of one picture, as photos of a walk are."""
    folder.mkdir()
    coarse = np.random.default_rng(0).integers(0, 255, (16, 512, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((32 * side, side), Image.Resampling.BICUBIC)
    for index in range(count):
        left = index * 31 * side // count
        picture.crop((left, 0, left + side, side)).save(folder / f"{index}.jpg")


def _peak_since() -> int:
    """The most resident memory since this was last asked (Linux)."""
    peak = peak_process_memory() or 0
    Path("/proc/self/clear_refs").write_text("5")
    return peak


def _in_child(views: int) -> dict[str, int]:
    command = [sys.executable, "-m", "benchmarks.streaming", "--alone", *sys.argv[1:]]
    done = subprocess.run(
        [*command, "--views", str(views)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
