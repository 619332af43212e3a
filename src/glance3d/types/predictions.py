"""What the network said."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.cameras import unproject_depth
from glance3d.geometry.pose_encoding import decode_pose
from glance3d.geometry.transforms import compose, invert
from glance3d.text import counted
from glance3d.types.cameras import Cameras
from glance3d.types.images import ImageBatch
from glance3d.types.reconstruction import Reconstruction, Tracks

# The network counts query points and tracks from the top-left pixel's centre, we from its corner.
TRACK_PIXEL_SHIFT = 0.5
PINHOLE_FOV = (0.01, 3.1)  # radians
_VIEWS_AT_ONCE = 32  # of whose points several copies are in flight


@dataclass(frozen=True)
class Predictions:
    """What the network said: batched, differentiable, on the network's grid; None if not asked for.

    Lengths are at the network's own scale. Cameras are numbers of the network's (``pose_enc``, and
    then the world is the frame of each scene's first camera) or stated themselves
    (``cam_from_world``, in any world until :meth:`in_first_camera`; ``intrinsics`` in pixels of the
    network's grid); :meth:`cameras` reads both. ``ray`` is a direction and an origin in the world:
    the point at a ray is origin + depth x direction. ``*_conf`` is at least 1 and grows with
    certainty; only its order means something. The iterations' last entry equals the plain field.
    """

    image_size: tuple[int, int]  # (height, width)
    pose_enc: Float[Tensor, "batch views 9"] | None = None
    pose_enc_iterations: Float[Tensor, "iterations batch views 9"] | None = None
    depth: Float[Tensor, "batch views height width"] | None = None
    depth_conf: Float[Tensor, "batch views height width"] | None = None
    points_world: Float[Tensor, "batch views height width 3"] | None = None
    points_conf: Float[Tensor, "batch views height width"] | None = None
    tracks: Float[Tensor, "batch views queries 2"] | None = None
    tracks_iterations: Float[Tensor, "updates batch views queries 2"] | None = None
    visibility: Float[Tensor, "batch views queries"] | None = None
    track_conf: Float[Tensor, "batch views queries"] | None = None
    cam_from_world: Float[Tensor, "batch views 3 4"] | None = None
    intrinsics: Float[Tensor, "batch views 3 3"] | None = None
    ray: Float[Tensor, "batch views rows columns 6"] | None = None
    ray_conf: Float[Tensor, "batch views rows columns"] | None = None

    def cameras(
        self,
    ) -> tuple[Float[Tensor, "batch views 3 4"], Float[Tensor, "batch views 3 3"]]:
        """``cam_from_world`` and intrinsics (pixels of the network's grid) of every view."""
        if self.cam_from_world is not None and self.intrinsics is not None:
            return self.cam_from_world, self.intrinsics
        if self.pose_enc is None:
            raise InputError("these predictions hold no cameras: ask the model for 'camera'")
        height, width = self.image_size
        return decode_pose(self.pose_enc, height, width)

    def in_first_camera(self) -> "Predictions":
        """The same in the frame of each scene's first camera; ``pose_enc`` is in it already."""
        if self.cam_from_world is None:
            return self
        first = self.cam_from_world[:, :1]
        cam_from_world = compose(self.cam_from_world, invert(first))
        if self.ray is None:
            return replace(self, cam_from_world=cam_from_world)
        rotation, translation = first[..., :3], first[..., 3]
        # [B,1,3,3] and [B,1,3] on [B,S,rows,columns,3]: directions turn, origins turn and move.
        direction, origin = (
            torch.einsum("bij,bvrcj->bvrci", rotation[:, 0], part)
            for part in self.ray.split(3, dim=-1)
        )
        ray = torch.cat([direction, origin + translation[:, :, None, None]], -1)
        return replace(self, cam_from_world=cam_from_world, ray=ray)

    def as_dict(self) -> dict[str, Tensor | list[Tensor]]:
        """The published model's keys and shapes (depth with a trailing 1), without what is None."""
        published = {
            "pose_enc": self.pose_enc,
            "depth": None if self.depth is None else self.depth.unsqueeze(-1),
            "depth_conf": self.depth_conf,
            "world_points": self.points_world,
            "world_points_conf": self.points_conf,
            "track": self.tracks,
            "vis": self.visibility,
            "conf": self.track_conf,
        }
        out: dict[str, Tensor | list[Tensor]] = {
            key: value for key, value in published.items() if value is not None
        }
        if self.pose_enc_iterations is not None:
            out["pose_enc_list"] = list(self.pose_enc_iterations)
        return out

    def to_reconstruction(
        self, batch: ImageBatch, model: str = "", scene: int = 0
    ) -> Reconstruction:
        """One scene for a person: cameras for the original photos, points in the world.

        A field of view that no pinhole camera has (the network may say 0) becomes the nearest that
        one can have, so that files stay readable; reports warn of it. World points come from depth
        and cameras where depth was predicted (more accurate than the point head, VGGT section
        4.3), otherwise from the point head.
        """
        cam_from_world, intrinsics = self._pinholes(scene)
        if len(cam_from_world) != len(batch.names):
            raise InputError(
                f"these predictions have {counted(len(cam_from_world), 'view')}, the images "
                f"{len(batch.names)}"
            )
        sizes = torch.tensor([placement.original_size for placement in batch.placements])
        original = [
            placement.intrinsics_to_original(matrix)
            for placement, matrix in zip(batch.placements, intrinsics, strict=True)
        ]

        def pick(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[scene].detach().float().cpu()

        tracks = self._tracks_in_originals(batch, scene)
        depth, points, points_from = pick(self.depth), pick(self.points_world), "points"
        confidence = pick(self.points_conf)
        if depth is not None:
            points, points_from = _points_of(depth, cam_from_world, intrinsics), "depth"
            confidence = pick(self.depth_conf)
        return Reconstruction(
            names=batch.names,
            sources=batch.sources,
            placements=batch.placements,
            cameras=Cameras(cam_from_world, torch.stack(original), sizes),
            colors=batch.colors,
            mask=batch.content_mask,
            depth=depth,
            points_world=points,
            confidence=confidence,
            points_from=None if points is None else points_from,
            tracks=tracks,
            tracked_by=None if tracks is None else "network",
            model=model,
            metadata=batch.metadata,
            masks=batch.masks,
            contents=batch.contents,
        ).masked()

    def _pinholes(
        self, scene: int
    ) -> tuple[Float[Tensor, "views 3 4"], Float[Tensor, "views 3 3"]]:
        """The cameras of one scene, on the CPU, with fields of view that pinholes can have."""
        if self.pose_enc is not None and self.cam_from_world is None:
            pose_enc = self.pose_enc[scene].detach().float().cpu()
            pose_enc = torch.cat([pose_enc[:, :7], pose_enc[:, 7:].clamp(*PINHOLE_FOV)], dim=-1)
            return decode_pose(pose_enc, *self.image_size)
        cam_from_world, intrinsics = (
            values[scene].detach().float().cpu() for values in self.cameras()
        )
        halves = intrinsics.new_tensor(self.image_size).flip(0) / 2  # of width and height
        shortest, longest = (halves / math.tan(fov / 2) for fov in reversed(PINHOLE_FOV))
        intrinsics = intrinsics.clone()
        for axis in (0, 1):
            intrinsics[:, axis, axis].clamp_(shortest[axis], longest[axis])
        return cam_from_world, intrinsics

    def of_views(self, views: Sequence[int]) -> "Predictions":
        """What was predicted for some views, in this order; the frame stays."""

        def chosen(name: str) -> Tensor | None:
            values = getattr(self, name)
            if values is None:
                return None
            index = torch.as_tensor(views, device=values.device)
            return values.index_select(2 if name.endswith("_iterations") else 1, index)

        names = [field.name for field in fields(Predictions) if field.name != "image_size"]
        return replace(self, **{name: chosen(name) for name in names})

    def _tracks_in_originals(self, batch: ImageBatch, scene: int) -> Tracks | None:
        if self.tracks is None or self.visibility is None or self.track_conf is None:
            return None
        positions = self.tracks[scene].detach().float().cpu()
        original = [
            placement.to_original(view + TRACK_PIXEL_SHIFT)
            for placement, view in zip(batch.placements, positions, strict=True)
        ]
        return Tracks(
            torch.stack(original),
            self.visibility[scene].detach().float().cpu(),
            self.track_conf[scene].detach().float().cpu(),
        )


def _points_of(
    depth: Float[Tensor, "views height width"],
    cam_from_world: Float[Tensor, "views 3 4"],
    intrinsics: Float[Tensor, "views 3 3"],
) -> Float[Tensor, "views height width 3"]:
    """World points of all views, some views at a time."""
    points = depth.new_empty((*depth.shape, 3))
    for first in range(0, len(depth), _VIEWS_AT_ONCE):
        part = slice(first, first + _VIEWS_AT_ONCE)
        points[part] = unproject_depth(depth[part], cam_from_world[part], intrinsics[part])
    return points
