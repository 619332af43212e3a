"""One scene in every format that Glance3D writes.

    python examples/03_export_formats.py

All formats are in one table, ``glance3d.exporters.FORMATS``. docs/formats.md describes them.
"""

from pathlib import Path

import glance3d
from glance3d.exporters import FORMATS

PHOTOS = Path(__file__).parent / "data" / "motorcycle" / "images"


def main(out: Path = Path("runs/03"), model: str = "glance-small") -> None:
    """Export the example scene in each format and print how large the files are."""
    scene = glance3d.reconstruct(PHOTOS, model=model)
    for name, exporter in FORMATS.items():
        if exporter.only_with_masks and not scene.has_masks:
            continue
        glance3d.export(scene, out / name / Path(exporter.path_in_folder).name, format=name)
        files = [path for path in (out / name).rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        print(f"{name:12} {len(files):3} files {size / 1e6:8.2f} MB")


if __name__ == "__main__":
    main()
