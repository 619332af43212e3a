"""Cameras in the viewer: one frustum per photo, which shows it; a click flies to it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from glance3d.geometry.similarity import Similarity
from glance3d.types import Reconstruction
from glance3d.viewer.clouds import view_colors
from glance3d.viewer.display import TYPICAL_DISTANCE, quaternion_wxyz, vertical_fov
from glance3d.viewer.pictures import small_photo

if TYPE_CHECKING:
    from viser import CameraFrustumHandle, ClientHandle, ViserServer

THUMBNAIL = 256  # pixels on the longer side
_VERDICT_COLORS = {"good": (46, 160, 90), "weak": (230, 150, 20), "unsupported": (210, 50, 50)}


class CameraNodes:
    """All frusta of one scene. A click calls ``fly_to(client, view)``."""

    def __init__(
        self,
        server: "ViserServer",
        name: str,
        scene: Reconstruction,
        display: Similarity,
        fly_to: "Callable[[ClientHandle, int], None]",
    ) -> None:
        self.visible = True
        self.photos = True
        self._hidden_photo: int | None = None
        self._dimmed = True
        self._masked = [view for view, mask in enumerate(scene.masks) if mask is not None]
        self._base_size = frustum_size(scene, display)
        self._small_photo = lambda view, dimmed: small_photo(scene, view, THUMBNAIL, dimmed)
        # Two nodes a camera: to show or hide a photo is then a flag, and not the photo again.
        self._wires: list[CameraFrustumHandle] = []
        self._filled: list[CameraFrustumHandle] = []
        with ThreadPoolExecutor() as pool:
            photos = pool.map(lambda view: self._small_photo(view, True), range(scene.num_views))
        for view, image in enumerate(photos):
            for kind, handles in (("wire", self._wires), ("photo", self._filled)):
                handle = self._add(
                    server, f"{name}/{view}/{kind}", scene, display, view, image, kind == "photo"
                )
                handle.on_click(_click(fly_to, view))
                handles.append(handle)
        self.show()

    def show(
        self,
        visible: bool | None = None,
        photos: bool | None = None,
        size: float | None = None,
    ) -> None:
        """Change the given properties; None leaves one as it is."""
        self.visible = self.visible if visible is None else visible
        self.photos = self.photos if photos is None else photos
        for view, (wire, filled) in enumerate(zip(self._wires, self._filled, strict=True)):
            with_photo = self.photos and view != self._hidden_photo
            wire.visible = self.visible and not with_photo
            filled.visible = self.visible and with_photo
            if size is not None:
                wire.scale = filled.scale = self._base_size * size

    def dim_masked(self, dimmed: bool) -> None:
        """Show what masks leave out dimmed, or as it is."""
        if dimmed == self._dimmed:
            return
        self._dimmed = dimmed
        for view in self._masked:
            self._filled[view].image = self._small_photo(view, dimmed)

    def hide_photo_of(self, view: int | None) -> None:
        """Hide the photo of the camera that the user is in; None shows all again."""
        if view != self._hidden_photo:
            self._hidden_photo = view
            self.show()

    def _add(
        self,
        server: "ViserServer",
        name: str,
        scene: Reconstruction,
        display: Similarity,
        view: int,
        image: UInt8[np.ndarray, "h w 3"],
        with_photo: bool,
    ) -> "CameraFrustumHandle":
        pose = display.transform_cameras(scene.cameras.cam_from_world[view : view + 1].double())[0]
        width, height = scene.placements[view].original_size
        return server.scene.add_camera_frustum(
            name,
            fov=vertical_fov(scene, view),
            aspect=width / height,
            scale=self._base_size,
            thickness=2.0,
            thickness_units="screen",
            color=frustum_color(scene, view),
            image=image if with_photo else None,
            format="jpeg",
            jpeg_quality=85,
            wxyz=quaternion_wxyz(pose[:, :3].T),
            position=(-pose[:, :3].T @ pose[:, 3]).numpy(),
            cast_shadow=False,
            receive_shadow=False,
        )


def _click(fly_to: "Callable[[ClientHandle, int], None]", view: int) -> Callable[..., None]:
    return lambda event: fly_to(event.client, view)


def frustum_color(scene: Reconstruction, view: int) -> tuple[int, int, int]:
    """By verdict where there is one (green, amber, red); else a colour a photo."""
    if scene.trust is not None:
        return _VERDICT_COLORS.get(scene.trust[view].verdict, (128, 128, 128))
    red, green, blue = view_colors(scene.num_views)[view].tolist()
    return red, green, blue


def frustum_size(scene: Reconstruction, display: Similarity) -> float:
    """Small compared with the scene, so that neighbours do not cover each other."""
    size = 0.08 * TYPICAL_DISTANCE
    centers = display.transform_points(scene.cameras.centers.double()).numpy()
    if len(centers) < 2:
        return size
    apart = np.linalg.norm(centers[:, None] - centers[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    spacing = float(np.median(apart.min(1)))
    return float(np.clip(0.5 * spacing, 0.25 * size, size))
