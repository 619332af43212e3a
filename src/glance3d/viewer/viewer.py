"""A running viewer: keeps scenes, panel and all connected browsers consistent."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glance3d.errors import InputError
from glance3d.exporters.options import DEFAULT_PERCENTILE
from glance3d.types import Reconstruction
from glance3d.viewer.cloud_nodes import Watcher
from glance3d.viewer.display import (
    TYPICAL_DISTANCE,
    Pose,
    displayed_like,
    first_look,
    quaternion_wxyz,
    room_beside,
    surer_points,
    upright_display,
)
from glance3d.viewer.facts import photo_facts, scene_facts
from glance3d.viewer.flight import Flights
from glance3d.viewer.panel import AFTER, BEFORE, BOTH, DEFAULT_BUDGET, MIN_BUDGET, Panel
from glance3d.viewer.pictures import PhotoPictures
from glance3d.viewer.scene_part import ScenePart
from glance3d.viewer.server import page_address, quiet, start_server

if TYPE_CHECKING:
    from viser import ClientHandle

_CAMERA_PAUSE = 0.25  # seconds between two checks of the users' cameras


@dataclass(frozen=True)
class ViewerOptions:
    """Initial settings of a viewer; users can change them in its panel."""

    host: str = "127.0.0.1"
    port: int = 8080
    percentile: float = DEFAULT_PERCENTILE
    budget: int = DEFAULT_BUDGET

    def __post_init__(self) -> None:
        """Refuse values outside their ranges."""
        if not 0 <= self.percentile < 100:
            raise InputError(f"percentile must be from 0 to below 100, got {self.percentile}")
        if self.budget < MIN_BUDGET:
            raise InputError(
                f"budget must be at least {MIN_BUDGET:,} points to show a scene, got {self.budget}"
            )


class Viewer:
    """Shows a scene at :attr:`url` until :meth:`stop`; a context manager.

    ``before`` is the same scene before its cameras were refined; it is shown beside it.
    """

    def __init__(
        self,
        scene: Reconstruction,
        options: ViewerOptions,
        before: Reconstruction | None = None,
    ) -> None:
        self.server = start_server(options.host, options.port)
        try:
            self._build(scene, options, before)
        except BaseException:
            with quiet():
                self.server.stop()
            raise
        self._worker = threading.Thread(target=self._work, name="glance3d-viewer", daemon=True)
        self._worker.start()
        self._changed()

    def _build(
        self,
        scene: Reconstruction,
        options: ViewerOptions,
        before: Reconstruction | None,
    ) -> None:
        self.port = self.server.get_port()
        self.url = page_address(options.host, self.port)
        self.up_to_date = threading.Event()
        self._requested = 0  # grows with every change of the panel
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        display = upright_display(scene)
        displays = {AFTER: display}
        scenes = {AFTER: scene}
        if before is not None:
            displays[BEFORE], scenes[BEFORE] = displayed_like(before, scene, display), before
        samples = {name: surer_points(s) for name, s in scenes.items()}
        shown = {name: displays[name].transform_points(samples[name]).numpy() for name in scenes}
        self._shift = np.zeros(3)
        if before is not None:
            self._shift[0] = -room_beside(shown[BEFORE], shown[AFTER])
            shown[BEFORE] += self._shift
        self.home = first_look(scene, display, shown[AFTER], shown.get(BEFORE))
        self._set_initial_camera(self.home)
        self._pictures = {name: PhotoPictures(s) for name, s in scenes.items()}
        self.parts = {
            name: ScenePart(self.server, name, s, displays[name], self._flight_to(name))
            for name, s in scenes.items()
        }
        if before is not None:
            for name, part in self.parts.items():
                part.put_label(_label_place(shown[name], self._shift if name == BEFORE else 0))
        self.flights = Flights(self.parts, lambda: self.home, self._show_photo)
        self._axes = self._add_axes(display)
        self.panel = Panel(
            self.server,
            facts=scene_facts(scene, samples[AFTER]),
            parts=self.parts,
            percentile=options.percentile,
            budget=options.budget,
            first_photo=(photo_facts(scene, 0), self._pictures[AFTER](0)),
            changed=self._changed,
            fly=self.flights.by_button,
        )
        self.server.on_client_connect(self._welcome)

    def wait(self) -> None:
        """Block until :meth:`stop` is called in another thread; Ctrl-C is the caller's."""
        while not self._stopped.wait(0.5):  # an endless wait would ignore Ctrl-C on Windows
            pass

    def stop(self) -> None:
        """Stop the server; may be called again."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._wake.set()
        self._worker.join()
        with quiet():
            self.server.stop()

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _set_initial_camera(self, pose: Pose) -> None:
        self.server.scene.set_up_direction("+y")
        camera = self.server.initial_camera
        camera.up = (0.0, 1.0, 0.0)
        camera.position, camera.look_at, camera.fov = pose.position, pose.look_at, pose.fov
        camera.near, camera.far = 0.002 * TYPICAL_DISTANCE, 500.0 * TYPICAL_DISTANCE

    def _flight_to(self, version: str) -> Any:
        return lambda client, view: self.flights.to_photo(client, version, view)

    def _show_photo(self, version: str, view: int) -> None:
        scene = self.parts[version].scene
        picture = self._pictures[version](view, self.panel.masks.value)
        self.panel.show_photo(photo_facts(scene, view), picture)

    def _add_axes(self, display: Any) -> Any:
        return self.server.scene.add_frame(
            "/world_axes",
            axes_length=0.15 * TYPICAL_DISTANCE,
            axes_radius=0.0015 * TYPICAL_DISTANCE,
            origin_radius=0.003 * TYPICAL_DISTANCE,
            wxyz=quaternion_wxyz(display.rotation),
            position=display.translation.numpy(),
            visible=False,
        )

    def _welcome(self, client: "ClientHandle") -> None:
        @client.camera.on_update
        def _(camera: Any) -> None:
            self.flights.moved(camera)
            self._wake.set()

        self._wake.set()

    def _changed(self) -> None:
        """Apply a change in the panel: flags at once, points by the worker."""
        version, panel = self.panel.version.value, self.panel
        both = version == BOTH
        for name, part in self.parts.items():
            shift = self._shift if both and name == BEFORE else np.zeros(3)
            part.place(both or name == version, shift, labelled=both)
            part.cameras.show(panel.cameras.value, panel.photos.value, panel.camera_size.value)
            part.cameras.dim_masked(panel.masks.value)
            part.show_tracks(panel.tracks.value)
        self._axes.visible = panel.axes.value
        with self._lock:
            self._requested += 1
            self.up_to_date.clear()
        self._wake.set()

    def _work(self) -> None:
        """Update the points after changes of the panel at once, of users' cameras with a pause."""
        done = 0
        while not self._stopped.is_set():
            self._wake.wait()
            self._wake.clear()
            if done == self._requested and self._stopped.wait(_CAMERA_PAUSE):
                return
            request = self._requested
            if self._update_points(request):
                done = request
                with self._lock:  # what was asked for meanwhile is not done
                    if request == self._requested:
                        self.up_to_date.set()

    def _update_points(self, request: int) -> bool:
        options, watchers = self.panel.display_options(), self._watchers()
        shown = [part for part in self.parts.values() if part.visible]
        for part in self.parts.values():
            if not part.visible:
                part.clear_points()
            elif not part.update_points(
                options.shared_by(len(shown)),
                watchers,
                lambda: request != self._requested or self._stopped.is_set(),
            ):
                return False
        self.panel.say_shown(
            f"{sum(part.num_shown for part in shown):,} of "
            f"{sum(part.num_kept for part in shown):,} points shown"
        )
        return True

    def _watchers(self) -> list[Watcher]:
        cameras = [client.camera for client in self.server.get_clients().values()]
        return [_watcher(camera) for camera in cameras]


def _watcher(camera: Any) -> Watcher:
    forward = camera.look_at - camera.position
    forward = forward / max(np.linalg.norm(forward), 1e-12)
    half = np.tan(camera.fov / 2)
    return Watcher(camera.position, forward, float(np.arctan(half * np.hypot(1, camera.aspect))))


def _label_place(points: np.ndarray, shift: Any) -> np.ndarray:
    """Above the middle of a version, in its own frame."""
    if not len(points):
        return np.zeros(3)
    top = np.quantile(points[:, 1], 0.98)
    middle = np.median(points, 0) - shift
    return np.array([middle[0], top + 0.05 * TYPICAL_DISTANCE, middle[2]])
