"""Toy data sets, each in the layout of a real one, of cameras and depth that can be reckoned."""

import gzip
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.io import savemat

from glance3d.geometry.rotations import quat_xyzw_from_rotation
from glance3d.geometry.transforms import invert

WIDTH, HEIGHT, FOCAL = 32, 24, 40.0
#: Corners of a square of side 1, and more corners beyond it.
CORNERS = [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (2, 1), (1, 2), (2, 2), (3, 0), (0, 3)]
INTRINSICS = torch.tensor(
    [[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]], dtype=torch.float64
)


@dataclass(frozen=True)
class Toy:
    """A scene: cameras that look along z from corners of squares, and their depth maps."""

    cam_from_world: torch.Tensor
    depth: torch.Tensor

    def __len__(self) -> int:
        return len(self.cam_from_world)

    @property
    def world_from_cam(self) -> torch.Tensor:
        return invert(self.cam_from_world)


def toy(count: int, side: float = 1.0, depth: torch.Tensor | float = 2.0) -> Toy:
    """Cameras turned by a right angle about z, so that a pose and its inverse differ in it."""
    turn = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    centers = torch.zeros(count, 3, dtype=torch.float64)
    for view in range(count):
        corner = CORNERS[view % len(CORNERS)]
        centers[view] = torch.tensor([*corner, view // len(CORNERS)]) * side
    poses = torch.cat([turn.expand(count, 3, 3), -(turn @ centers.T).T[..., None]], -1)
    maps = torch.as_tensor(depth, dtype=torch.float32).expand(count, HEIGHT, WIDTH)
    return Toy(poses, maps)


def two_steps(near: float, far: float) -> torch.Tensor:
    """Half of the columns near, half of them far."""
    return torch.where(torch.arange(WIDTH) < WIDTH // 2, near, far).expand(HEIGHT, WIDTH)


def write_picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_depth(path: Path, depth: torch.Tensor, per_unit: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((depth * per_unit).round().numpy().astype(np.uint16)).save(path)


def rows(matrix: torch.Tensor) -> str:
    return "\n".join(" ".join(f"{value:.12g}" for value in row) for row in matrix.tolist()) + "\n"


def square(pose: torch.Tensor) -> torch.Tensor:
    return torch.cat([pose, torch.tensor([[0.0, 0, 0, 1]], dtype=torch.float64)])


def write_re10k(data: Path, name: str, scene: Toy) -> None:
    shares = f"{FOCAL / WIDTH} {FOCAL / HEIGHT} 0.5 0.5 0 0"
    lines = ["https://example.org/video"]
    for view, pose in enumerate(scene.cam_from_world):
        stamp = 1000 * (view + 1)
        lines.append(f"{stamp} {shares} {' '.join(map(str, pose.flatten().tolist()))}")
        write_picture(data / "frames" / name / f"{stamp}.png", view)
    (data / "cameras").mkdir(exist_ok=True)
    (data / "cameras" / f"{name}.txt").write_text("\n".join(lines) + "\n")


def write_co3d(data: Path, category: str, scenes: dict[str, Toy], tested: list[str]) -> None:
    axes = torch.tensor([-1.0, -1, 1], dtype=torch.float64)
    records = []
    for name, scene in scenes.items():
        for view, pose in enumerate(scene.cam_from_world):
            path = f"{category}/{name}/images/frame{view:06d}.png"
            write_picture(data / path, view)
            viewpoint = {
                "R": (axes[:, None] * pose[:, :3]).T.tolist(),
                "T": (axes * pose[:, 3]).tolist(),
                "focal_length": [2 * FOCAL / HEIGHT] * 2,
                "principal_point": [0.0, 0.0],
                "intrinsics_format": "ndc_isotropic",
            }
            records.append(
                {
                    "sequence_name": name,
                    "frame_number": view,
                    "image": {"path": path, "size": [HEIGHT, WIDTH]},
                    "viewpoint": viewpoint,
                    "depth": _write_co3d_depth(data, f"{category}/{name}", view, scene),
                }
            )
    packed = gzip.compress(json.dumps(records).encode())
    (data / category / "frame_annotations.jgz").write_bytes(packed)
    (data / category / "set_lists").mkdir()
    sets = {"train": [], "test": [[name, 0, ""] for name in tested]}
    (data / category / "set_lists" / "set_lists_fewview_dev.json").write_text(json.dumps(sets))


def _write_co3d_depth(data: Path, folder: str, view: int, scene: Toy) -> dict[str, Any]:
    """Stored at half its size; not a number in the lowest row, and masked in the uppermost."""
    stored = (scene.depth[view] / 2).numpy().astype(np.float16)
    stored[-1] = np.nan
    path, mask = (f"{folder}/{kind}/frame{view:06d}.png" for kind in ("depths", "depth_masks"))
    for each in (path, mask):
        (data / each).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(stored.view(np.uint16)).save(data / path)
    kept = np.full((HEIGHT, WIDTH), 255, np.uint8)
    kept[0] = 0
    Image.fromarray(kept).save(data / mask)
    return {"path": path, "scale_adjustment": 2.0, "mask_path": mask}


def write_eth3d(data: Path, name: str, scene: Toy) -> None:
    model = data / name / "dslr_calibration_undistorted"
    model.mkdir(parents=True)
    (model / "cameras.txt").write_text(
        f"0 PINHOLE {WIDTH} {HEIGHT} {FOCAL} {FOCAL} {WIDTH / 2} {HEIGHT / 2}\n"
    )
    lines = []
    for view, pose in enumerate(scene.cam_from_world):
        photo = f"dslr_images_undistorted/DSC_{view:04d}.png"
        write_picture(data / name / "images" / photo, view)
        x, y, z, w = quat_xyzw_from_rotation(pose[:, :3]).tolist()
        shift = " ".join(map(str, pose[:, 3].tolist()))
        lines += [f"{view + 1} {w} {x} {y} {z} {shift} 0 {photo}", ""]
    (model / "images.txt").write_text("\n".join(lines) + "\n")


def write_dtu(data: Path, number: int, scene: Toy, scan: torch.Tensor) -> None:
    """The plane of the table lies at z = 660; observed is what lies between z = 550 and 650."""
    folder = data / f"scan{number}"
    for view, pose in enumerate(scene.cam_from_world):
        write_picture(folder / "images" / f"{view:08d}.png", view)
        (folder / "cams").mkdir(exist_ok=True)
        text = (
            f"extrinsic\n{rows(square(pose))}\nintrinsic\n{rows(shifted_intrinsics())}\n425 2.5\n"
        )
        (folder / "cams" / f"{view:08d}_cam.txt").write_text(text)
    (data / "Points" / "stl").mkdir(parents=True)
    header = (
        "ply\nformat binary_little_endian 1.0\ncomment drawn\n"
        f"element vertex {len(scan)}\nproperty float x\nproperty float y\nproperty float z\n"
        "property uchar red\nend_header\n"
    )
    dtype = np.dtype([("xyz", "<f4", 3), ("red", "u1")])
    vertices = np.zeros(len(scan), dtype)
    vertices["xyz"] = scan.numpy()
    file = data / "Points" / "stl" / f"stl{number:03d}_total.ply"
    file.write_bytes(header.encode() + vertices.tobytes())
    (data / "ObsMask").mkdir()
    cells = np.ones((200, 200, 11), np.uint8)
    box = np.array([[-1000.0, -1000.0, 550.0], [1000.0, 1000.0, 650.0]])
    masks = data / "ObsMask"
    savemat(masks / f"ObsMask{number}_10.mat", {"ObsMask": cells, "BB": box, "Res": 10.0})
    savemat(masks / f"Plane{number}.mat", {"P": np.array([[0.0], [0.0], [-1.0], [660.0]])})


def shifted_intrinsics() -> torch.Tensor:
    """As formats have them that count from the centre of the first pixel."""
    matrix = INTRINSICS.clone()
    matrix[:2, 2] -= 0.5
    return matrix


def write_seven_scenes(data: Path, name: str, sequence: int, scene: Toy) -> None:
    folder = data / name / f"seq-{sequence:02d}"
    for view, pose in enumerate(scene.world_from_cam):
        write_picture(folder / f"frame-{view:06d}.color.png", view)
        write_depth(folder / f"frame-{view:06d}.depth.png", scene.depth[view], 1000)
        (folder / f"frame-{view:06d}.pose.txt").write_text(rows(square(pose)))
    (data / name / "TestSplit.txt").write_text(f"sequence{sequence}\n")


def write_tum(data: Path, name: str, scene: Toy) -> None:
    lists: dict[str, list[str]] = {"rgb.txt": [], "depth.txt": [], "groundtruth.txt": []}
    for view, pose in enumerate(scene.world_from_cam):
        write_picture(data / name / "rgb" / f"{view}.000000.png", view)
        write_depth(data / name / "depth" / f"{view}.010000.png", scene.depth[view], 5000)
        numbers = [*pose[:, 3].tolist(), *quat_xyzw_from_rotation(pose[:, :3]).tolist()]
        lists["rgb.txt"].append(f"{view}.000000 rgb/{view}.000000.png")
        lists["depth.txt"].append(f"{view}.010000 depth/{view}.010000.png")
        lists["groundtruth.txt"].append(f"{view}.005 {' '.join(map(str, numbers))}")
    for file, lines in lists.items():
        (data / name / file).write_text("\n".join(lines) + "\n")


def write_scannet_pairs(data: Path, pairs: list[tuple[str, Toy]]) -> None:
    """The first two cameras of each toy are a pair."""
    lines = []
    matrix = " ".join(map(str, shifted_intrinsics().flatten().tolist()))
    for number, (scene, one) in enumerate(pairs):
        names = [f"{scene}/color/{2 * number + view}.png" for view in range(2)]
        for view, name in enumerate(names):
            write_picture(data / name, view)
        first, second = (square(pose) for pose in one.cam_from_world[:2])
        between = " ".join(map(str, (second @ torch.linalg.inv(first)).flatten().tolist()))
        lines.append(f"{names[0]} {names[1]} 0 0 {matrix} {matrix} {between}")
    (data / "pairs.txt").write_text("\n".join(lines) + "\n")


def write_nrgbd(data: Path, name: str, scene: Toy) -> None:
    opengl = torch.tensor([1.0, -1, -1, 1], dtype=torch.float64)
    poses = ""
    for view, pose in enumerate(scene.world_from_cam):
        write_picture(data / name / "images" / f"img{view}.png", view)
        write_depth(data / name / "depth" / f"depth{view}.png", scene.depth[view], 1000)
        poses += rows(square(pose * opengl))
    (data / name / "poses.txt").write_text(poses)
    (data / name / "focal.txt").write_text(f"{FOCAL}\n")


def write_sintel(data: Path, name: str, scene: Toy) -> None:
    root = data / "training"
    for view, pose in enumerate(scene.cam_from_world):
        write_picture(root / "final" / name / f"frame_{view + 1:04d}.png", view)
        numbers = [*INTRINSICS.flatten().tolist(), *pose.flatten().tolist()]
        camera = root / "camdata_left" / name / f"frame_{view + 1:04d}.cam"
        camera.parent.mkdir(parents=True, exist_ok=True)
        camera.write_bytes(struct.pack("<f21d", 202021.25, *numbers))
        depth = root / "depth" / name / f"frame_{view + 1:04d}.dpt"
        depth.parent.mkdir(parents=True, exist_ok=True)
        values = scene.depth[view].flatten().tolist()
        depth.write_bytes(struct.pack(f"<fii{len(values)}f", 202021.25, WIDTH, HEIGHT, *values))


def write_kitti_depth(data: Path, name: str, scene: Toy) -> None:
    for view in range(len(scene)):
        file = f"{view + 5:010d}.png"
        write_picture(data / name[:10] / name / "image_02" / "data" / file, view)
        truth = data / "val" / name / "proj_depth" / "groundtruth" / "image_02" / file
        write_depth(truth, scene.depth[view], 256)


def write_kitti_odometry(data: Path, name: str, scene: Toy, baseline: float) -> None:
    """Poses are of camera 0; the scene's cameras are camera 2, ``baseline`` to its right."""
    (data / "poses").mkdir(exist_ok=True)
    lines = []
    for view, pose in enumerate(scene.cam_from_world):
        write_picture(data / "sequences" / name / "image_2" / f"{view:06d}.png", view)
        grey = pose.clone()
        grey[0, 3] += baseline
        lines.append(" ".join(map(str, invert(grey).flatten().tolist())))
    (data / "poses" / f"{name}.txt").write_text("\n".join(lines) + "\n")
    matrix = shifted_intrinsics()
    column = matrix @ torch.tensor([[-baseline], [0.0], [0.0]], dtype=torch.float64)
    values = " ".join(map(str, torch.cat([matrix, column], -1).flatten().tolist()))
    (data / "sequences" / name / "calib.txt").write_text(f"P0: 1 0\nP2: {values}\n")
