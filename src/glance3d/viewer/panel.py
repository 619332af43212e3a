"""The panel beside the scene: its controls, and the description of the scene."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from glance3d.viewer.scene_part import DisplayOptions
from glance3d.viewer.track_lines import has_tracks

if TYPE_CHECKING:
    from viser import ClientHandle, ViserServer

    from glance3d.viewer.scene_part import ScenePart

AFTER, BEFORE, BOTH = "after", "before", "side by side"
DEFAULT_BUDGET = 1_500_000
MIN_BUDGET = 10_000
_MILLION = 1_000_000
_COLOURINGS = ("photos", "confidence", "photo", "measured")


class Panel:
    """The controls. Every change calls ``changed``; flights call ``fly``.

    ``fly(client, step)`` is called with "overview" or with -1 or 1, for the photo before or after.
    """

    def __init__(
        self,
        server: "ViserServer",
        *,
        facts: str,
        parts: "dict[str, ScenePart]",
        percentile: float,
        budget: int,
        first_photo: tuple[str, UInt8[np.ndarray, "h w 3"]],
        changed: Callable[[], None],
        fly: "Callable[[ClientHandle, int | str], None]",
    ) -> None:
        gui: Any = server.gui
        has_before = BEFORE in parts
        gui.add_markdown(facts)
        self._shown = gui.add_markdown("")
        self.version = gui.add_dropdown(
            "Refinement",
            (BOTH, AFTER, BEFORE),
            visible=has_before,
            hint="The scene before and after its cameras were refined.",
        )
        if not has_before:
            self.version.value = AFTER
        with gui.add_folder("Points"):
            self._add_points(gui, parts, percentile, budget)
        with gui.add_folder("Photos"):
            has_masks = any(part.scene.has_masks for part in parts.values())
            self._add_cameras(gui, has_masks, first_photo, fly)
        with gui.add_folder("More", expand_by_default=False):
            self.tracks = gui.add_checkbox(
                "Tracks",
                False,
                disabled=not any(has_tracks(part.scene) for part in parts.values()),
                hint="Points followed through the photos, or lines from measured points to the "
                "cameras that see them.",
            )
            self.axes = gui.add_checkbox("World axes", False, hint="x red, y green, z blue.")
        for control in self._inputs():
            control.on_update(lambda _: changed())

    def _add_points(
        self,
        gui: Any,
        parts: "dict[str, ScenePart]",
        percentile: float,
        budget: int,
    ) -> None:
        sources = parts[AFTER].sources
        has_measured = parts[AFTER].scene.measured is not None
        max_points = sum(part.max_points for part in parts.values())
        self.source = gui.add_dropdown("Show", sources or ["none"], visible=len(sources) > 1)
        self.percentile = gui.add_slider(
            "Leave out %",
            0,
            99,
            1,
            round(percentile),
            hint="The least certain share of the points, in percent; exports leave out 25.",
        )
        self.point_size = gui.add_slider("Point size", 0.2, 4.0, 0.1, 1.0)
        # In millions, from a number that phones can draw to all points.
        most = max(max_points, budget, 100_000) / _MILLION
        self.budget = gui.add_slider(
            "Budget, M",
            min(0.05, budget / _MILLION),
            max(0.1, round(most + 0.05, 1)),
            0.05,
            budget / _MILLION,
            hint="At most so many million points at once; near ones come first. Fewer are faster.",
        )
        colourings = _COLOURINGS if has_measured else _COLOURINGS[:-1]
        self.colouring = gui.add_dropdown(
            "Colour",
            colourings,
            hint="As in the photos; by confidence (dark is unsure); by photo; measured or guessed.",
        )
        self.measured_only = gui.add_checkbox(
            "Measured only",
            False,
            visible=has_measured,
            hint="Leave out depth that the network guessed and the photos did not confirm.",
        )

    def _add_cameras(
        self,
        gui: Any,
        has_masks: bool,
        first_photo: tuple[str, UInt8[np.ndarray, "h w 3"]],
        fly: "Callable[[ClientHandle, int | str], None]",
    ) -> None:
        self.cameras = gui.add_checkbox("Cameras", True)
        self.photos = gui.add_checkbox("Photos in cameras", True)
        self.masks = gui.add_checkbox(
            "Dim masked",
            True,
            visible=has_masks,
            hint="Dim what the masks leave out of the points; the photos themselves are whole.",
        )
        self.camera_size = gui.add_slider("Camera size", 0.2, 3.0, 0.1, 1.0)
        steps = {"◀ photo": -1, "overview": "overview", "photo ▶": 1}
        self.go = gui.add_button_group("Fly to", tuple(steps))
        self.go.on_click(lambda event: fly(event.client, steps[event.target.value]))
        self._photo = gui.add_image(first_photo[1], format="jpeg", jpeg_quality=85)
        self._photo_text = gui.add_markdown(first_photo[0])

    def show_photo(self, text: str, picture: UInt8[np.ndarray, "h w 3"]) -> None:
        """Show the photo whose camera the user is in."""
        self._photo_text.content = text
        self._photo.image = picture

    def say_shown(self, text: str) -> None:
        """How many points are on the screen."""
        if self._shown.content != text:
            self._shown.content = text

    def _inputs(self) -> list[Any]:
        return [
            self.version,
            self.source,
            self.percentile,
            self.point_size,
            self.budget,
            self.colouring,
            self.measured_only,
            self.cameras,
            self.photos,
            self.masks,
            self.camera_size,
            self.tracks,
            self.axes,
        ]

    def display_options(self) -> DisplayOptions:
        """The current settings for the points."""
        return DisplayOptions(
            source=self.source.value,
            percentile=float(self.percentile.value),
            budget=round(self.budget.value * _MILLION),
            point_size=float(self.point_size.value),
            measured_only=bool(self.measured_only.value),
            colouring=self.colouring.value,
        )
