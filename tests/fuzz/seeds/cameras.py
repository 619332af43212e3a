"""Cameras of two photos, as Glance3D, COLMAP, nerfstudio and TUM write them; a set of photos."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
from PIL import Image

from glance3d.exporters import export
from tests.fuzz.seeds import Seed, seed_of_folder
from tests.fuzz.seeds.scenes import SIZE, full_scene, small_scene
from tests.images.files import gradient

NAMES = ("a.png", "b.png")
_MATRIX = [[1.0, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]


def cameras_json_seeds() -> list[Seed]:
    """``cameras.json`` as it is exported."""
    return [_exported("cameras.json")]


def transforms_json_seeds() -> list[Seed]:
    """As nerfstudio, instant-ngp and NeRF's synthetic scenes have it."""
    frames = [{"file_path": f"./images/{name}", "transform_matrix": _MATRIX} for name in NAMES]
    shared = {"fl_x": 40.0, "fl_y": 41.0, "cx": 24.0, "cy": 16.0, "w": 48, "h": 32.0}
    bent = {"k1": 0.06, "k2": -0.08, "p1": -0.001, "p2": 0.0002, "camera_model": "OPENCV"}
    records = (
        {**shared, **bent, "frames": frames},
        {"camera_angle_x": 0.7, "frames": frames},
        {"frames": [{**frame, **shared, "k1": 0.1} for frame in frames]},
        {**shared, "camera_model": "OPENCV_FISHEYE", "k1": 0.1, "frames": frames},
    )
    exported = _exported("transforms.json")
    return [exported, *(Seed({"transforms.json": json.dumps(r).encode()}) for r in records)]


def colmap_text_seeds() -> list[Seed]:
    """``cameras.txt``, ``images.txt``, ``points3D.txt`` of several camera models."""
    return [_colmap(*model, text=True) for model in _MODELS]


def colmap_binary_seeds() -> list[Seed]:
    """The same as ``.bin``."""
    return [_colmap(*model, text=False) for model in _MODELS]


def colmap_export_seeds() -> list[Seed]:
    """The model that is exported from a refined scene, with points and tracks."""
    return [_exported("sparse")]


def tum_seeds() -> list[Seed]:
    """Trajectories with comments, commas and time stamps."""
    lines = "# timestamp tx ty tz qx qy qz qw\n" + "".join(
        f"{time:.4f} {time} 0.5 -1.5 0.1 0.2 0.3 0.9\n" for time in (1.5, 2.5)
    )
    return [Seed({"poses.txt": text.encode()}) for text in (lines, lines.replace(" ", ","))]


def photo_set_seeds() -> list[Seed]:
    """Two photos with depth maps and their true cameras."""
    scene = small_scene()
    view = {
        "size": list(SIZE),
        "intrinsics": scene.cameras.intrinsics[0].tolist(),
        "cam_from_world": scene.cameras.cam_from_world[0].tolist(),
        "radial": 0.01,
        "physical": 0,
    }
    views = [{"image": f"images/{n}", "depth": f"depth/{n}", **view} for n in NAMES]
    record = {"name": "set", "units": "metre", "metric": True, "depth_scale": 0.001}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "images").mkdir()
        (root / "depth").mkdir()
        for name in NAMES:
            Image.fromarray(gradient(*SIZE)).save(root / "images" / name)
            depth = np.full(SIZE[::-1], 4000, np.uint16)
            Image.fromarray(depth).save(root / "depth" / name)
        (root / "cameras.json").write_text(json.dumps({**record, "views": views}))
        return [seed_of_folder(root, ("cameras.json", "cameras.json", "depth/a.png"))]


def _exported(name: str) -> Seed:
    with tempfile.TemporaryDirectory() as folder:
        export(full_scene(), Path(folder) / name)
        return seed_of_folder(Path(folder))


_MODELS = (
    ("SIMPLE_RADIAL", [40, 24, 16, 0.05]),
    ("OPENCV", [40, 41, 24, 16, 0.06, -0.08, -0.001, 0.0002]),
    ("OPENCV_FISHEYE", [40, 41, 24, 16, 0.1, 0, 0, 0]),
)


def _colmap(model: str, params: list[float], text: bool) -> Seed:
    """Two photos of one camera, made by pycolmap."""
    built = pycolmap.Reconstruction()
    camera = pycolmap.Camera(camera_id=3, model=model, width=48, height=32, params=params)
    built.add_camera_with_trivial_rig(camera)
    for number, name in enumerate(NAMES, start=1):
        quat = np.array([0.1, 0.2, 0.3 * number, 0.9])
        pose = pycolmap.Rigid3d(
            pycolmap.Rotation3d(quat / np.linalg.norm(quat)), np.array([1.0, 2.0, number])
        )
        image = pycolmap.Image(name=name, camera_id=3, image_id=number)
        image.points2D = pycolmap.Point2DList([pycolmap.Point2D(np.array([1.0, 2.0]))] * number)
        built.add_image_with_trivial_frame(image, pose)
    with tempfile.TemporaryDirectory() as folder:
        (built.write_text if text else built.write_binary)(folder)
        whole = seed_of_folder(Path(folder))
    read = tuple(name for name in whole.files if name.startswith(("cameras", "images")))
    return replace(whole, mutated=read)
