"""Stretches of one photo set as sets of their own, to learn from some and validate on others.

    python -m benchmarks.photo_set_parts SET --out DIR --part walk_0 0 72 2 --part held_0 228 276 2

Each ``--part`` is a name, the first photo, the one after the last, and the step between photos. A
part is a folder with ``cameras.json``, and links to the photos and depth of the set.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from glance3d.formats.cameras_json import CAMERAS_FILE, read_cameras_file, write_cameras_file


def main() -> None:
    """Write a folder for each part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", nargs=4, action="append", required=True)
    options = parser.parse_args()
    for name, *numbers in options.part:
        write_part(options.set, options.out / name, range(*map(int, numbers)))


def write_part(folder: Path, out: Path, views: range) -> None:
    """These views of a set with ``cameras.json``, into a new folder."""
    file = read_cameras_file(folder / CAMERAS_FILE)
    out.mkdir(parents=True)
    for part in ("images", "depth"):
        if (folder / part).is_dir():
            (out / part).symlink_to((folder / part).resolve(), target_is_directory=True)
    chosen = tuple(file.views[view] for view in views)
    write_cameras_file(out / CAMERAS_FILE, replace(file, name=out.name, views=chosen))


if __name__ == "__main__":
    main()
