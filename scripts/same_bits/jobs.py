"""The commands that are run, and the photos that they are run on."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from PIL import Image, ImageDraw

SETS = (
    "fox",
    "hololens_office",
    "lund_door",
    "middlebury_motorcycle",
    "middlebury_templeSparseRing",
)
NUM_PHOTOS, NUM_ADDED = 5, 2  # of every set: its first photos, and the next ones for `add`


@dataclass(frozen=True)
class Job:
    """One command; ``{name}`` is the result of job ``name``, ``{sets}`` and ``{masks}`` inputs."""

    name: str
    command: str
    starts_from: str | None = None  # the job whose result it reads
    in_copy: bool = False  # the command writes into a copy of that result, not to --out


def list_jobs() -> list[Job]:
    """All jobs, each after the one that it starts from."""
    jobs = []
    for name in ("fox", "lund_door", "hololens_office", *SETS[3:]):
        jobs += [
            Job(f"{name}.reconstruct", f"reconstruct {{sets}}/{name}/images"),
            Job(f"{name}.refine", f"refine {{{name}.reconstruct}}", f"{name}.reconstruct"),
        ]
    fox, temple, office = "{sets}/fox", "{sets}/middlebury_templeSparseRing", "hololens_office"
    motorcycle, door = "{sets}/middlebury_motorcycle", "{sets}/lund_door"
    return [
        *jobs,
        Job("fox.track_network", f"track {fox}/images --by network --grid 6 --query-view 1"),
        Job("lund_door.track_matching", f"track {door}/images --by matching --grid 6"),
        Job(
            f"{office}.track_geometry",
            f"track {{{office}.refine}} --by geometry --grid 6 --query-view 2",
            f"{office}.refine",
        ),
        # without the baseline colmap: its threads share one seed, no two runs are the same
        Job(
            "evaluate_sets",
            f"evaluate {{sets}}/* --refine --window 3 --synthetic-scenes 0 "
            f"--max-views {NUM_PHOTOS}",
        ),
        Job(
            "evaluate_densified",
            f"evaluate {motorcycle} --refine --densify --synthetic-scenes 0",
        ),
        Job("evaluate_synthetic", "evaluate --synthetic-scenes 32"),
        Job(f"{office}.window", f"reconstruct {{sets}}/{office}/images --window 3 --overlap 1"),
        Job(
            "lund_door.masks",
            f"reconstruct {door}/images --masks {{masks}}/lund_door --mask-input --refine "
            "--no-densify",
        ),
        Job(
            "fox.cameras",
            f"reconstruct {fox}/images --cameras {fox}/cameras.json --refine --no-densify",
        ),
        Job(
            f"{office}.scale_cameras",
            f"scale {{{office}.reconstruct}} --cameras {{sets}}/{office}/cameras.json",
            f"{office}.reconstruct",
        ),
        Job(
            f"{office}.scale_distance",
            f"scale {{{office}.refine}} --known-distance 000.jpg:100,100:400,250=1.5",
            f"{office}.refine",
        ),
        Job(
            "middlebury_motorcycle.outputs",
            f"reconstruct {motorcycle}/images --outputs camera depth points tracks "
            "--query 100,100 300,200 --preprocess crop --reference 001.jpg",
        ),
        Job(
            "fox.pad_thin",
            f"reconstruct {fox}/images --preprocess pad --attention thin --reference auto",
        ),
        Job(
            "middlebury_templeSparseRing.add",
            f"add {{middlebury_templeSparseRing.reconstruct}} {temple}/more",
            "middlebury_templeSparseRing.reconstruct",
        ),
        Job(
            "lund_door.add_refine",
            f"add {{lund_door.refine}} {door}/more --refine --no-densify",
            "lund_door.refine",
        ),
        Job(
            "fox.refine_both",
            "refine {fox.reconstruct} --no-densify --correspondences both "
            "--camera-model simple-radial",
            "fox.reconstruct",
        ),
        Job(
            "fox.export",
            "export {fox.export} --format tum kitti depth-tiff depth-exr las gaussians",
            "fox.refine",
            in_copy=True,
        ),
        Job("train", "train --recipe tiny-test --threads 1"),
    ]


def chosen_jobs(only: Sequence[str] | None) -> list[Job]:
    """The jobs that a pattern names, and those that they start from."""
    jobs = {job.name: job for job in list_jobs()}
    if only is None:
        return list(jobs.values())
    names = {name for name in jobs for pattern in only if fnmatch(name, pattern)}
    if not names:
        raise SystemExit(f"no job is called {' or '.join(only)}; there are {', '.join(jobs)}")
    for job in reversed(list(jobs.values())):  # from the last, so that a chain is followed
        if job.name in names and job.starts_from:
            names.add(job.starts_from)
    return [job for job in jobs.values() if job.name in names]


def make_inputs(sets: Path, work: Path) -> None:
    """The first photos of every set with their cameras and depth, more of them, and masks."""
    for name in SETS:
        source, target = sets / name, work / "sets" / name
        content = json.loads((source / "cameras.json").read_text())
        views = content["views"]
        content["views"] = views[:NUM_PHOTOS]
        for folder, some in (
            ("images", views[:NUM_PHOTOS]),
            ("more", views[NUM_PHOTOS : NUM_PHOTOS + NUM_ADDED]),
        ):
            (target / folder).mkdir(parents=True)
            for view in some:
                shutil.copy(source / view["image"], target / folder)
        if (source / "depth").is_dir():
            shutil.copytree(source / "depth", target / "depth")
        (target / "cameras.json").write_text(json.dumps(content))
    draw_masks(work / "sets" / "lund_door" / "images", work / "masks" / "lund_door")


def draw_masks(photos: Path, target: Path) -> None:
    """A mask for every photo: a black disc that moves a little from one to the next."""
    target.mkdir(parents=True)
    for index, photo in enumerate(sorted(photos.iterdir())):
        with Image.open(photo) as picture:
            mask = Image.new("L", picture.size, 255)
        x, y, radius = 0.4 * mask.width + 10 * index, 0.5 * mask.height, 0.15 * mask.width
        ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
        mask.save(target / f"{photo.stem}.png")
