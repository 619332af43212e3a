"""One displayed scene: points, cameras and tracks. Two of them compare before and after."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from glance3d.exporters.points.point_cloud import has_points
from glance3d.exporters.points.sparse_points import has_measured_points
from glance3d.geometry.similarity import Similarity
from glance3d.types import Reconstruction
from glance3d.viewer.camera_nodes import CameraNodes
from glance3d.viewer.cloud_nodes import Choice, CloudNodes, Watcher
from glance3d.viewer.clouds import Cloud, depth_cloud, painted, sparse_cloud
from glance3d.viewer.display import TYPICAL_DISTANCE, Pose, camera_pose
from glance3d.viewer.track_lines import has_tracks, track_lines

if TYPE_CHECKING:
    from viser import ClientHandle, ViserServer

DEPTH = "depth of the photos"
SPARSE = "measured points"
_CLOUDS: dict[str, Callable[[Reconstruction, Similarity], Cloud]] = {
    DEPTH: depth_cloud,
    SPARSE: sparse_cloud,
}


@dataclass(frozen=True)
class DisplayOptions:
    """The panel's settings for the points of every scene."""

    source: str
    percentile: float
    budget: int
    point_size: float
    measured_only: bool
    colouring: str

    def shared_by(self, num_parts: int) -> "DisplayOptions":
        """The same, where the budget is for so many scenes together."""
        return replace(self, budget=self.budget // max(1, num_parts))


class ScenePart:
    """A scene under ``/name`` in the viewer's tree, where ``display`` (from its world) puts it."""

    def __init__(
        self,
        server: "ViserServer",
        name: str,
        scene: Reconstruction,
        display: Similarity,
        fly_to: "Callable[[ClientHandle, int], None]",
    ) -> None:
        self.scene = scene
        self.display = display
        self._server = server
        self._name = name
        self.sources = _sources(scene)
        self._nodes: dict[str, CloudNodes] = {}
        self._colors: tuple[tuple[str, str], UInt8[np.ndarray, "points 3"]] | None = None
        self._tracks: list = []
        self._shift = np.zeros(3)
        self._frame = server.scene.add_frame(f"/{name}", show_axes=False)
        self._label = server.scene.add_label(f"/{name}/label", name, visible=False)
        self.cameras = CameraNodes(server, f"/{name}/cameras", scene, display, fly_to)

    @property
    def max_points(self) -> int:
        """The largest number of points that can be shown."""
        pixels = int(self.scene.mask.sum()) if DEPTH in self.sources else 0
        return max(pixels, 0 if self.scene.sparse is None else len(self.scene.sparse))

    @property
    def visible(self) -> bool:
        """Whether anything of it is on the screen."""
        return self._frame.visible

    def place(self, visible: bool, shift: Float[np.ndarray, "3"], labelled: bool) -> None:
        """Show or hide it, shifted by ``shift`` from its own position."""
        self._shift = shift
        self._frame.position = shift
        self._frame.visible = visible
        self._label.visible = labelled

    def put_label(self, position: Float[np.ndarray, "3"]) -> None:
        """Set the position of its label, if it is shown."""
        self._label.position = position

    def pose_of(self, view: int) -> Pose:
        """The pose of one of its photos' cameras, as displayed."""
        pose = camera_pose(self.scene, self.display, view)
        return replace(
            pose, position=pose.position + self._shift, look_at=pose.look_at + self._shift
        )

    @property
    def num_shown(self) -> int:
        """Points on the screen."""
        return sum(nodes.num_shown for nodes in self._nodes.values())

    @property
    def num_kept(self) -> int:
        """Points that are certain enough, shown or not."""
        return sum(nodes.num_kept for nodes in self._nodes.values() if nodes.num_shown)

    def update_points(
        self, options: DisplayOptions, watchers: list[Watcher], is_stale: Callable[[], bool]
    ) -> bool:
        """Update the points; False if the choice changed meanwhile."""
        source = (
            options.source if options.source in self.sources else next(iter(self.sources), None)
        )
        for name, nodes in self._nodes.items():
            if name != source:
                nodes.clear()
        if source is None:
            return True
        nodes = self._cloud_nodes(source)
        choice = Choice(
            options.percentile,
            options.budget,
            options.point_size,
            options.measured_only,
            self._painted(source, nodes, options.colouring),
        )
        near = [replace(watcher, position=watcher.position - self._shift) for watcher in watchers]
        return nodes.update(choice, near, is_stale)

    def clear_points(self) -> None:
        """Remove all points from the screen."""
        for nodes in self._nodes.values():
            nodes.clear()

    def show_tracks(self, visible: bool) -> None:
        """Show or hide lines and points of the tracks; computed when they are first shown."""
        if visible and not self._tracks and has_tracks(self.scene):
            self._tracks = self._add_tracks()
        for handle in self._tracks:
            handle.visible = visible

    def _cloud_nodes(self, source: str) -> CloudNodes:
        if source not in self._nodes:
            cloud = _CLOUDS[source](self.scene, self.display)
            kind = "sparse" if source == SPARSE else "depth"
            self._nodes[source] = CloudNodes(self._server, f"/{self._name}/{kind}", cloud)
        return self._nodes[source]

    def _painted(
        self, source: str, nodes: CloudNodes, colouring: str
    ) -> UInt8[np.ndarray, "points 3"]:
        """The same array for the same colouring: a new one would be sent as new colours."""
        key = (source, colouring)
        if self._colors is None or self._colors[0] != key:
            self._colors = key, painted(nodes.cloud, colouring, self.scene.num_views)
        return self._colors[1]

    def _add_tracks(self) -> list:
        lines = track_lines(self.scene, self.display)
        if not len(lines):
            return []
        handles: list = [
            self._server.scene.add_point_cloud(
                f"/{self._name}/tracks/points",
                lines.points,
                lines.point_colors,
                point_size=0.008 * TYPICAL_DISTANCE,
                point_shape="circle",
                precision="float32",
            )
        ]
        if len(lines.segments):
            handles.append(
                self._server.scene.add_line_segments(
                    f"/{self._name}/tracks/lines",
                    lines.segments,
                    lines.segment_colors,
                    thickness=1.0,
                    thickness_units="screen",
                )
            )
        return handles


def _sources(scene: Reconstruction) -> list[str]:
    """The kinds of points that a scene has, the default first."""
    clouds = [DEPTH] if has_points(scene) else []
    return clouds + ([SPARSE] if has_measured_points(scene) else [])
