"""Flights: a user's camera moves to a pose in half a second, along a smooth path."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from glance3d.viewer.display import TYPICAL_DISTANCE, Pose

if TYPE_CHECKING:
    from viser import CameraHandle, ClientHandle

    from glance3d.viewer.scene_part import ScenePart

SECONDS = 0.6
_STEPS = 24
_STEPPED_AWAY = 0.02 * TYPICAL_DISTANCE


def fly(client: "ClientHandle", goal: Pose, seconds: float = SECONDS) -> None:
    """Move one browser's camera to ``goal``; a browser that was closed meanwhile is no error."""
    camera = client.camera
    start = Pose(camera.position, camera.look_at, camera.fov)
    for step in range(1, _STEPS + 1):
        pose = between(start, goal, step / _STEPS)
        with client.atomic():
            camera.up_direction = (0.0, 1.0, 0.0)
            camera.position = pose.position
            camera.look_at = pose.look_at
            camera.fov = pose.fov
        client.flush()
        if seconds:
            time.sleep(seconds / _STEPS)


def between(start: Pose, goal: Pose, share: float) -> Pose:
    """The pose at ``share`` (0 to 1) of the path, slow at both ends and exact there."""
    eased = share * share * (3 - 2 * share)
    position = _mix(start.position, goal.position, eased)
    look_at = _mix(start.look_at, goal.look_at, eased)
    if np.linalg.norm(look_at - position) < 1e-6:  # they met on the way
        look_at = goal.look_at
    return Pose(position, look_at, (1 - eased) * start.fov + eased * goal.fov)


def _mix(a: Float[np.ndarray, "3"], b: Float[np.ndarray, "3"], share: float) -> np.ndarray:
    return (1 - share) * np.asarray(a) + share * np.asarray(b)


class Flights:
    """Which photo of which displayed scene each user flew to.

    ``arrived(version, view)`` is called when a flight to a photo starts.
    """

    def __init__(
        self,
        parts: "dict[str, ScenePart]",
        home: Callable[[], Pose],
        arrived: Callable[[str, int], None],
    ) -> None:
        self._parts = parts
        self._home = home
        self._arrived = arrived
        self._last = next(iter(parts)), 0
        self._standing: tuple[int, np.ndarray] | None = None

    def to_photo(self, client: "ClientHandle", version: str, view: int) -> None:
        """Fly to a photo's camera; its picture is hidden there, so that the points are visible."""
        part = self._parts[version]
        self._standing = None
        self._last = version, view
        for name, other in self._parts.items():
            other.cameras.hide_photo_of(view if name == version else None)
        self._arrived(version, view)
        goal = part.pose_of(view)
        fly(client, goal)
        self._standing = client.client_id, goal.position

    def by_button(self, client: "ClientHandle | None", step: int | str) -> None:
        """To the next photo (1), the previous one (-1), or to the first viewpoint ("overview")."""
        if client is None:
            return
        version, view = self._last
        if isinstance(step, int):
            self.to_photo(client, version, (view + step) % self._parts[version].scene.num_views)
            return
        self._leave()
        fly(client, self._home())

    def moved(self, camera: "CameraHandle") -> None:
        """A user's camera moved: outside of a photo's camera, its picture is shown again."""
        if self._standing is None or self._standing[0] != camera.client.client_id:
            return
        if np.linalg.norm(camera.position - self._standing[1]) > _STEPPED_AWAY:
            self._leave()

    def _leave(self) -> None:
        self._standing = None
        for part in self._parts.values():
            part.cameras.hide_photo_of(None)
