"""From photos to a scene to a file, in three lines.

    python examples/01_reconstruct.py

Writes ``runs/01/scene.glb`` (coloured points and cameras, for any 3-D viewer) and prints the camera
centres. The cameras are those of one forward pass: 06_refine.py verifies them.
"""

from pathlib import Path

import glance3d

PHOTOS = Path(__file__).parent / "data" / "motorcycle" / "images"


def main(out: Path = Path("runs/01"), model: str = "glance-small") -> None:
    """Reconstruct the example photos and export them."""
    scene = glance3d.reconstruct(PHOTOS, model=model)
    glance3d.export(scene, out / "scene.glb")

    for name, center in zip(scene.names, scene.cameras.centers, strict=True):
        x, y, z = center.tolist()
        print(f"{name} was taken from ({x:.3f}, {y:.3f}, {z:.3f})")
    print(f"lengths are in {scene.units} units; the world is the frame of {scene.names[0]}")
    for warning in scene.report.warnings:
        print(f"note: {warning}")


if __name__ == "__main__":
    main()
