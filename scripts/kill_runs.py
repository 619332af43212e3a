"""Kill runs at random moments, and look whether their folders hold one result afterwards.

    python scripts/kill_runs.py PHOTOS --kills 40

Takes turns with ``reconstruct`` (of all photos or all but one, into one folder), ``export`` of the
COLMAP model beside it, and ``train``. After each SIGKILL every reader must see one scene, old or
new; after the next whole run nothing hidden may be left.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import glance3d
from glance3d.images import resolve_sources
from glance3d.results import MANIFEST_FILE
from glance3d.training import load_checkpoint

GLANCE3D = [sys.executable, "-m", "glance3d"]


def run(words: list[str], kill_after: float | None = None) -> float:
    """Run a command, killed after so many seconds; how long it took."""
    start = time.monotonic()
    process = subprocess.Popen([*GLANCE3D, *words], stdout=subprocess.DEVNULL, stderr=-1, text=True)
    try:
        _, said = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return time.monotonic() - start
    if process.returncode != 0:
        raise SystemExit(f"glance3d {' '.join(words)} ended with {process.returncode}: {said}")
    return time.monotonic() - start


def views_of(scene: Path) -> set[int]:
    """How many views each of the scene's files speaks of."""
    report = json.loads((scene / "report.json").read_text())
    return {
        glance3d.load_scene(scene).num_views,
        len(glance3d.load_known_cameras(scene / "sparse" / "0")),
        len(json.loads((scene / "cameras.json").read_text())["views"]),
        len(json.loads((scene / "transforms.json").read_text())["frames"]),
        report["num_views"],
        len(list((scene / "images").iterdir())),
        sum(1 for path in (scene / "depth").glob("*.png")),
    }


def hidden(folder: Path) -> set[str]:
    """Names of what is hidden below, besides the manifest."""
    return {path.name for path in folder.rglob(".*")} - {MANIFEST_FILE}


def main() -> None:
    """Kill, look, and go on with a whole run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    photos = [str(path) for path in resolve_sources(arguments.photos)][:4]
    dice, folder = random.Random(arguments.seed), Path(tempfile.mkdtemp())
    scene, runs = folder / "scene", folder / "run"
    small = ["--max-pixels", "12000", "--out", str(scene)]
    train = ["train", "--recipe", "tiny-test", "--samples", "16", "--out", str(runs)]
    works = (
        lambda: ["reconstruct", *photos[: len(photos) - dice.randint(0, 1)], *small],
        lambda: ["export", str(scene), "--format", "colmap,nerfstudio,depth"],
        lambda: [*train, *(["--resume"] if (runs / "checkpoint.pt").exists() else [])],
    )
    lengths = [run(work()) for work in works]
    for number in range(arguments.kills):
        kind = number % len(works)
        run(works[kind](), kill_after=lengths[kind] * dice.uniform(0.5, 1.0))
        assert len(views_of(scene)) == 1, views_of(scene)
        load_checkpoint(runs / "checkpoint.pt")
        print(f"kill {number + 1}: one result of {views_of(scene)} views, left {hidden(folder)}")
        if dice.random() < 0.3:
            run(works[kind]())
            inside = runs if kind == 2 else scene
            assert not hidden(inside), hidden(inside)
    for work in works:
        run(work())
    assert not hidden(folder), hidden(folder)
    print(f"{arguments.kills} kills: every folder held one result; nothing is left behind")


if __name__ == "__main__":
    main()
