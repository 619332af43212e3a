"""``scene.glb``: the coloured points and the cameras as frusta, for any 3-D viewer.

glTF 2.0 binary (https://registry.khronos.org/glTF/specs/2.0). Vertices are in our world frame (x
right, y down, z forward; or east, north, up); one root node turns that into glTF's (y up, z
backward), so the scene stands upright. Every view is also a real glTF camera, to look through.

glTF defines vertex colours as linear light: the photos' sRGB values are converted, or every viewer
that follows the standard would show them washed out. They are floats because eight linear bits
leave bands in the shadows.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from glance3d._version import __version__
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.points.frusta import camera_frusta
from glance3d.exporters.points.glb_container import GlbBuffer
from glance3d.exporters.points.point_cloud import PointCloud, select_points
from glance3d.exporters.world_text import REFERENCE_CAMERA, is_east_north_up
from glance3d.files.atomic import save_bytes
from glance3d.geometry.transforms import invert
from glance3d.images.naming.file_names import photo_file_names
from glance3d.types import Reconstruction

DEFAULT_MAX_POINTS = 1_000_000
_POINTS, _LINES = 0, 1
_OPENGL_FROM_OPENCV = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))


def write_glb(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the confident points, if the scene has any, and all cameras."""
    cloud = None
    if scene.points_world is not None:
        budget = options.max_points or DEFAULT_MAX_POINTS
        cloud = select_points(scene, options.percentile, budget, options.measured_only)
    save_bytes(path, _GlbScene(scene, cloud).encoded())
    return WriteResult((path,))


@dataclass
class _GlbScene:
    """The glTF document while it grows."""

    scene: Reconstruction
    cloud: PointCloud | None
    buffer: GlbBuffer = field(default_factory=GlbBuffer)
    meshes: list[dict[str, Any]] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)

    def encoded(self) -> bytes:
        if self.cloud is not None and len(self.cloud) > 0:
            colors = linear_from_srgb(self.cloud.colors)
            self._add_mesh("points", _POINTS, self.cloud.points_world, colors)
        frusta = camera_frusta(self.scene, self.cloud)
        colors = linear_from_srgb(frusta.colors)
        self._add_mesh("cameras", _LINES, frusta.vertices, colors, frusta.edges)
        for view, name in enumerate(photo_file_names(self.scene)):
            self.nodes.append(self._camera_node(view, name))
        root = {
            "name": "world",
            "matrix": _column_major(_opengl_from_world(self.scene)),
            "children": list(range(len(self.nodes))),
        }
        return self.buffer.encode(
            {
                "asset": {"version": "2.0", "generator": f"glance3d {__version__}"},
                "extensionsUsed": ["KHR_materials_unlit"],
                "scene": 0,
                "scenes": [{"nodes": [len(self.nodes)]}],
                "nodes": [*self.nodes, root],
                "cameras": [self._camera(view) for view in range(self.scene.num_views)],
                "meshes": self.meshes,
                "materials": [
                    {"name": "vertex colours", "extensions": {"KHR_materials_unlit": {}}}
                ],
            }
        )

    def _add_mesh(
        self,
        name: str,
        mode: int,
        vertices: Float[Tensor, "vertices 3"],
        colors: Float[Tensor, "vertices 3"],
        edges: Tensor | None = None,
    ) -> None:
        primitive: dict[str, Any] = {
            "mode": mode,
            "material": 0,
            "attributes": {
                "POSITION": self.buffer.add_vertices(vertices.float().numpy(), with_bounds=True),
                "COLOR_0": self.buffer.add_vertices(colors.float().numpy()),
            },
        }
        if edges is not None:
            primitive["indices"] = self.buffer.add_indices(edges.numpy())
        self.nodes.append({"name": name, "mesh": len(self.meshes)})
        self.meshes.append({"name": name, "primitives": [primitive]})

    def _camera_node(self, view: int, name: str) -> dict[str, Any]:
        world_from_cam = torch.eye(4, dtype=torch.float64)
        world_from_cam[:3] = invert(self.scene.cameras.cam_from_world[view].double())
        matrix = _column_major(world_from_cam @ _OPENGL_FROM_OPENCV)
        return {"name": name, "camera": view, "matrix": matrix}

    def _camera(self, view: int) -> dict[str, Any]:
        width, height = self.scene.placements[view].original_size
        focal_x, focal_y = self.scene.cameras.intrinsics[view].double().diagonal()[:2].tolist()
        return {
            "type": "perspective",
            "perspective": {
                "yfov": 2 * float(np.arctan(height / 2 / focal_y)),
                # Of the fields of view: the photo's own where its pixels are square.
                "aspectRatio": width / focal_x * focal_y / height,
                "znear": 1e-3,
            },
        }


def _opengl_from_world(scene: Reconstruction) -> Float[Tensor, "4 4"]:
    """Turns the world so that up is y: the reference camera's up, the sky of east-north-up.

    Of a world that was given, whose axes nobody states, that axis becomes y which is nearest to
    the cameras' up: people hold cameras upright.
    """
    axes = torch.eye(3, dtype=torch.float64)
    up = -scene.cameras.cam_from_world[:, 1, :3].double().mean(0)
    if scene.world == REFERENCE_CAMERA:
        up = -axes[1]
    elif is_east_north_up(scene.world):
        up = axes[2]
    nearest = int(up.abs().argmax())
    right, above = axes[0 if nearest else 1], axes[nearest] * up[nearest].sign()
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = torch.stack([right, above, torch.linalg.cross(right, above)])
    return matrix


def linear_from_srgb(colors: UInt8[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Light from 8-bit sRGB values (IEC 61966-2-1), both full at 1."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    table = torch.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return table.float()[colors.long()]


def _column_major(matrix: Float[Tensor, "4 4"]) -> list[float]:
    return matrix.T.flatten().tolist()
