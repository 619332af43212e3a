"""Cameras verified by feature matches, depth measured from the photos, a verdict for each photo.

    python examples/06_refine.py

Needs pycolmap (pip install 'glance3d[colmap]'). Writes ``runs/06/``: a COLMAP model with measured
multi-view tracks in ``sparse/0``, the usual input of nerfstudio and 3-D Gaussian splatting.
"""

from pathlib import Path

import glance3d

PHOTOS = Path(__file__).parent / "data" / "motorcycle" / "images"


def main(out: Path = Path("runs/06"), model: str = "glance-small") -> None:
    """Reconstruct, refine, export, and print how far each photo can be trusted."""
    guess = glance3d.reconstruct(PHOTOS, model=model)
    scene = glance3d.refine(guess)
    glance3d.export(scene, out, format="colmap")

    print(scene.report.trust.summary["text"])
    for name, trust in zip(scene.names, scene.trust, strict=True):
        print(f"{name}: {trust.verdict}, by {trust.registered_by}: {trust.reason}")
    if scene.sparse is not None:
        print(f"{len(scene.sparse)} points, seen {scene.sparse.num_observations} times")


if __name__ == "__main__":
    main()
