"""``glance3d.view``: open a scene in the browser."""

import logging
import os
import sys
import webbrowser
from pathlib import Path

from glance3d.exporters import load_scene
from glance3d.exporters.options import DEFAULT_PERCENTILE
from glance3d.types import Reconstruction
from glance3d.viewer.panel import DEFAULT_BUDGET
from glance3d.viewer.server import LOCAL_HOSTS
from glance3d.viewer.viewer import Viewer, ViewerOptions

logger = logging.getLogger(__name__)


def view(
    scene: Reconstruction | str | Path,
    *,
    before: Reconstruction | str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    percentile: float = DEFAULT_PERCENTILE,
    budget: int = DEFAULT_BUDGET,
    open_browser: bool = True,
    wait: bool = True,
) -> Viewer:
    """Show a scene in the browser until Ctrl-C, or with ``wait=False`` until ``Viewer.stop()``.

    Args:
        scene: A reconstruction, a ``scene.npz``, or the folder that holds one.
        before: The same scene before its cameras were refined, to be shown beside it.
        host: Where to listen; only this machine by default. ``0.0.0.0`` is the whole network.
        port: The port; the next free one if it is in use, 0 for any.
        percentile: The least certain share of the points, in percent, that is left out at first.
        budget: At most so many points at once; near ones are drawn more densely than far ones.
        open_browser: Open the page in the default browser.
        wait: Return only when the viewer has ended.

    Returns:
        The viewer; its address is ``Viewer.url``.

    Raises:
        MissingExtraError: viser is not installed.
        SceneError: there is no such scene.
        InputError: no such host or port, or a number outside its range.
    """
    options = ViewerOptions(host, port, percentile, budget)
    loaded = _loaded(scene)
    viewer = Viewer(loaded, options, None if before is None else _loaded(before))
    if not wait:
        _announce(viewer, host, port, open_browser)
        return viewer
    try:  # Ctrl-C may come at any moment from here on
        _announce(viewer, host, port, open_browser)
        viewer.wait()
    except KeyboardInterrupt:
        pass  # the usual way to stop it
    finally:
        viewer.stop()
    return viewer


def _announce(viewer: Viewer, host: str, wanted_port: int, open_browser: bool) -> None:
    moved = wanted_port and viewer.port != wanted_port
    where = f"{viewer.url} (port {wanted_port} is in use)" if moved else viewer.url
    logger.info("the viewer is at %s; Ctrl-C ends it", where)
    if host not in LOCAL_HOSTS:
        logger.warning("warning: everybody who reaches this machine at %s can look", host)
    if open_browser and _has_screen():
        webbrowser.open(viewer.url)


def _has_screen() -> bool:
    """Whether a graphical browser can open; else a text browser would take over the terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _loaded(scene: Reconstruction | str | Path) -> Reconstruction:
    return scene if isinstance(scene, Reconstruction) else load_scene(scene)
