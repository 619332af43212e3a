"""The cameras that refinement starts from: which view has which, and where intrinsics come from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from glance3d.known_cameras import KnownViews
from glance3d.refinement.matching.camera_models import (
    build_colmap_camera,
    default_focal,
    intrinsics_of,
    network_focal,
)
from glance3d.refinement.matching.shared_cameras import shared_camera_ids
from glance3d.refinement.options import RefineOptions
from glance3d.types import Cameras, Reconstruction


@dataclass(frozen=True)
class CameraAssignment:
    """COLMAP cameras, numbered from 1, and which view has which.

    ``camera_of_view[view]`` is an index into ``cameras``; ``is_known`` says of each camera whether
    its intrinsics are known beforehand and must not be adjusted.
    """

    cameras: tuple[Any, ...]
    camera_of_view: tuple[int, ...]
    is_known: tuple[bool, ...]

    @property
    def is_shared(self) -> bool:
        """Whether any two views have one camera."""
        return len(self.cameras) < len(self.camera_of_view)

    @property
    def constant_ids(self) -> tuple[int, ...]:
        """The COLMAP ids of the known cameras."""
        pairs = zip(self.cameras, self.is_known, strict=True)
        return tuple(camera.camera_id for camera, is_known in pairs if is_known)


@dataclass(frozen=True)
class InitialCameras:
    """What is known or guessed of the cameras before matches are used.

    Views with the same number in ``camera_ids`` are taken to be of one camera.
    """

    scene: Reconstruction
    known: KnownViews | None
    camera_ids: tuple[int, ...]
    camera_model: str

    def assign(self, *, shared: bool = True, use_network: bool = False) -> CameraAssignment:
        """COLMAP cameras of all views: shared by ``camera_ids``, or one for each view.

        Focal lengths that nobody states are the network's where ``use_network``, else a default.
        """
        ids = self.camera_ids if shared else range(self.scene.num_views)
        order = list(dict.fromkeys(ids))  # in order of the first view
        camera_of_view = tuple(order.index(camera_id) for camera_id in ids)
        cameras, is_known = [], []
        for index in range(len(order)):
            views = [view for view, own in enumerate(camera_of_view) if own == index]
            camera = self._known_camera(views[0])
            is_known.append(camera is not None)
            if camera is None:
                camera = self._guessed_camera(views, use_network)
            camera.camera_id = index + 1  # COLMAP counts from 1
            cameras.append(camera)
        return CameraAssignment(tuple(cameras), camera_of_view, tuple(is_known))

    def to_cameras(self) -> Cameras:
        """The network's poses, with intrinsics as they are known or first guessed."""
        assignment = self.assign()
        matrices = [
            intrinsics_of(assignment.cameras[index])[0] for index in assignment.camera_of_view
        ]
        return replace(self.scene.cameras, intrinsics=torch.stack(matrices))

    def _known_camera(self, view: int) -> Any | None:
        """The camera whose intrinsics are given; None where they are not."""
        if self.known is None or not bool(self.known.has_intrinsics[view]):
            return None
        return build_colmap_camera(
            self.scene.placements[view].original_size,
            1.0,
            self.camera_model,
            known=self.known.intrinsics[view],
            known_radial=float(self.known.radial[view]),
        )

    def _guessed_camera(self, views: Sequence[int], use_network: bool) -> Any:
        """By the photo's file (EXIF), by the network, or by default."""
        scene, first = self.scene, views[0]
        size = scene.placements[first].original_size
        # Views of one camera state the same, or they would not share it.
        stated = scene.metadata[first].focal_length(size) if scene.metadata else None
        focal = stated or (network_focal(scene, views) if use_network else default_focal(size))
        return build_colmap_camera(size, focal, self.camera_model, is_prior=stated is not None)


def collect_initial_cameras(
    scene: Reconstruction, options: RefineOptions, known: KnownViews | None
) -> InitialCameras:
    """Who shares a camera by the options, and what is known of it."""
    camera_ids = shared_camera_ids(scene, options.camera)
    if known is not None:
        # What is known of one photo's camera is not adjusted with the others: a number of its own.
        has_known = known.has_intrinsics.tolist()
        camera_ids = [-1 - view if has_known[view] else own for view, own in enumerate(camera_ids)]
    return InitialCameras(scene, known, tuple(camera_ids), options.camera_model)
