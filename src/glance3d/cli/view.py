"""``glance3d view``: a saved scene, in the browser."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.cli.options.photos import PhotoFlags, load_with_photos


@dataclass(frozen=True, kw_only=True)
class Options:
    """Look at a saved scene in the browser: points, cameras with their photos, tracks.

    Only this machine can open the page, unless --host says otherwise. Ctrl-C ends it. Needs viser:
    pip install 'glance3d[view]'.

    Example: glance3d view scene/
    """

    scene: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
    """A scene.npz, or the folder that holds one."""
    before: Annotated[
        Path | None, tyro.conf.arg(metavar="OTHER", help_behavior_hint="(default: none)")
    ] = None
    """The scene before its cameras were refined, to show beside it."""
    host: Annotated[str, tyro.conf.arg(metavar="ADDRESS")] = "127.0.0.1"
    """The address to listen on; with 0.0.0.0 everybody on the network can look."""
    port: Annotated[int, tyro.conf.arg(metavar="INT")] = 8080
    """The port; the next free one if it is in use."""
    confidence_percentile: Annotated[float, tyro.conf.arg(metavar="PERCENT")] = 25.0
    """Leave out this share of the points, the least certain ones, at first."""
    max_points: Annotated[int, tyro.conf.arg(metavar="INT")] = 1_500_000
    """Show at most this many points at once, near ones more densely than far ones."""
    no_open: Flag = False
    """Do not open the browser; only print where the page is."""
    located: Annotated[PhotoFlags, tyro.conf.arg(name="photo")] = field(default_factory=PhotoFlags)


def run(options: Options) -> None:
    """Serve the page until Ctrl-C."""
    from glance3d.viewer import view

    view(
        load_with_photos(options.scene, options.located),
        before=options.before,
        host=options.host,
        port=options.port,
        percentile=options.confidence_percentile,
        budget=options.max_points,
        open_browser=not options.no_open,
    )
