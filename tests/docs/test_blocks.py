"""What the pages show is run: every block of Python and every command, but what NOT_RUN names."""

import json
import re
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.drawn_photo_sets import write_sets
from PIL import Image

from glance3d.files.atomic import save_json
from glance3d.models.weights.cards import CARDS
from tests.docs.blocks import INSTALLING, Block, blocks_of, run_command, run_python, started
from tests.docs.pages import PAGES, ROOT
from tests.evaluation.protocols.drawn import toy, write_seven_scenes

SHOWN_PIXELS = 160 * 120
DEFINITIONS = ROOT / "src" / "glance3d" / "evaluation" / "protocols" / "definitions"

#: What is not run, and where its page says what it needs. Keys are the beginnings of commands (or
#: of blocks of Python), values the page's words.
NOT_RUN = {
    "batch.md": {
        "for gpu in": "Several GPUs",
        "#!/bin/bash": "### SLURM",
        "glance3d batch scenes.jsonl --out /shared": "a disk that all share",
    },
    "container.md": {"docker": "The two files were written where no builder is"},
    "finetuning.md": {
        "glance3d finetune captures": "Training takes minutes to hours on a processor",
        "glance3d finetune lenses": "6.4 minutes of steps",
        "glance3d finetune parts": "20 minutes in all",
        "python -m benchmarks.photo_set_parts": "`long_walk`: 373 frames",
        "glance3d reconstruct photos/": "`best/` is written** only where",
    },
    "many_gpus.md": {
        "torchrun": "Not tried on several GPUs",
        "srun": "Not tried on several GPUs",
        "import glance3d": "Needs weights that are downloaded",
    },
    "models.md": {
        "glance3d models --fetch": "once; offline afterwards",
        "glance3d reconstruct photos/ --out scene/ --model da3-small": "once; offline afterwards",
        "glance3d train": "Takes hours",
        "glance3d evaluate --model runs": "Takes hours",
        "glance3d reconstruct photos/ --out scene/ --model runs": "Takes hours",
    },
}

#: What goes on until Ctrl-C: it is started, and ended when the page is.
GOES_ON = ("glance3d serve", "glance3d view")

#: Pages that take seconds, and are run with the long tests.
QUICK = tuple(
    f"docs/{name}.md"
    for name in (
        "evaluation",
        "finetuning",
        "known_cameras",
        "many_gpus",
        "memory",
        "models",
        "photo_sets",
    )
)


def _is_left_out(page: Path, command: str) -> bool:
    begins = tuple(NOT_RUN.get(page.name, {}))
    return command.startswith(INSTALLING) or (bool(begins) and command.startswith(begins))


def _blocks(page: Path) -> list[Block]:
    return list(blocks_of(page.read_text(encoding="utf-8")))


def _commands_run(page: Path) -> list[tuple[str, str]]:
    """Languages and what is run of a page's blocks, in its order."""
    parts = [(block.language, part) for block in _blocks(page) for part in block.parts]
    return [(language, part) for language, part in parts if not _is_left_out(page, part)]


RUN = [page.relative_to(ROOT).as_posix() for page in PAGES if _commands_run(page)]


@pytest.mark.parametrize("name", NOT_RUN)
def test_what_is_not_run_is_shown_and_says_what_it_needs(name: str) -> None:
    (page,) = (page for page in PAGES if page.name == name)
    text = re.sub(r"\s+", " ", page.read_text(encoding="utf-8"))
    parts = [part for block in _blocks(page) for part in block.parts]
    for begin, words in NOT_RUN[name].items():
        assert any(part.startswith(begin) for part in parts), begin
        assert words in text, words


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages speak of: ``photos/``, ``clip.mp4``, ``captures/`` ..."""
    folder = tmp_path_factory.mktemp("reader")
    data = ROOT / "examples" / "data"
    (folder / "examples").mkdir()
    (folder / "examples" / "data").symlink_to(data)
    village = sorted((data / "village" / "images").iterdir())
    named = dict(zip(("IMG_11.jpg", "IMG_12.jpg", "door.jpg", "where.jpg"), village, strict=False))
    for name in ("photos", "more", "scenes/castle", "scenes/church", "castle/photos", "church"):
        (folder / name).mkdir(parents=True)
    for name, photo in named.items():
        _smaller(photo, folder / ("" if name == "where.jpg" else "photos") / name)
    _smaller(village[4], folder / "more" / "IMG_13.jpg")
    for name in ("scenes/castle", "scenes/church", "castle/photos", "church"):
        for letter, photo in zip("ab", village, strict=False):
            _smaller(photo, folder / name / f"{letter}.jpg")
    for name in ("clip.mp4", "walk1.mov", "walk2.mov"):
        shutil.copy(data / "walk" / "walk.mp4", folder / name)
    for side in ("left.png", "right.png"):
        with Image.open(data / "motorcycle" / "images" / side) as photo:
            photo.resize((185, 125)).save(folder / side)
    _known(data / "village" / "cameras.json", folder, list(named)[:3])
    write_sets(folder / "captures", 2, 3, (50.0, 60.0), 64 * 64, 1)
    write_seven_scenes(folder / "7-Scenes", "chess", 1, toy(23))
    (folder / "data").symlink_to("7-Scenes")
    protocol = (DEFINITIONS / "7-scenes-11.toml").read_text(encoding="utf-8")
    (folder / "mine.toml").write_text(protocol.replace("7-scenes-11", "mine"), encoding="utf-8")
    return folder


def _smaller(photo: Path, out: Path) -> None:
    with Image.open(photo) as image:
        image.resize((280, 210)).save(out, quality=92, exif=image.getexif())


def _known(truth: Path, folder: Path, names: list[str]) -> None:
    """True cameras as ``known.json`` and ``transforms.json``."""
    record = json.loads(truth.read_text(encoding="utf-8"))
    views = [
        {**view, "image": f"photos/{name}"}
        for view, name in zip(record["views"], names, strict=False)
    ]
    save_json(folder / "known.json", {**record, "views": views})
    width, height = views[0]["size"]
    (fx, _, cx), (_, fy, cy), _ = views[0]["intrinsics"]
    frames = []
    for view in views:
        rows = view["cam_from_world"]
        turned = [[rows[row][column] for row in range(3)] for column in range(3)]
        center = [-sum(turned[i][j] * rows[j][3] for j in range(3)) for i in range(3)]
        world_from_cam = [[turned[i][0], -turned[i][1], -turned[i][2], center[i]] for i in range(3)]
        frames.append(
            {"file_path": view["image"], "transform_matrix": [*world_from_cam, [0, 0, 0, 1]]}
        )
    lens = {"w": width, "h": height, "fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy}
    save_json(folder / "transforms.json", {**lens, "frames": frames})


@pytest.fixture
def reader(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody's copy of that folder, who is in it; networks are shown small pictures."""
    folder = tmp_path / "reader"
    shutil.copytree(kept, folder, symlinks=True)
    monkeypatch.chdir(folder)
    (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
    monkeypatch.setenv("CURL_HOME", str(folder))  # what a server refuses fails the page
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else other programs go before Ray's workers
    monkeypatch.setenv("GLANCE3D_FAST", "off")  # trying paths takes longer than these scenes
    card = CARDS["glance-small"]
    small = replace(card.preprocessing, max_pixels=SHOWN_PIXELS)
    monkeypatch.setitem(CARDS, card.name, replace(card, preprocessing=small))
    return folder


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name in QUICK else pytest.mark.pages)
        for name in RUN
    ],
)
def test_what_a_page_shows_runs(name: str, reader: Path) -> None:
    names: dict[str, Any] = {}
    told: dict[str, str] = {}  # what the page says and what is so here: a port, a job's name
    with ExitStack() as servers:
        for language, part in _commands_run(ROOT / name):
            for shown, here in told.items():
                part = part.replace(shown, here)
            if language == "python":
                run_python(part, names)
            elif part.startswith(GOES_ON):
                told["8080"] = servers.enter_context(started(part, reader))
            else:
                said = run_command(part, reader)
                if job := re.match(r'\{"id": ?"([^"]+)"', said):
                    told.setdefault("jobs/ID", f"jobs/{job[1]}")
