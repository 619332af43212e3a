"""``glance3d view``: a saved scene, in the browser."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from glance3d.cli.options.photos import PhotoOptions, load_with_photos


@dataclass(frozen=True)
class Options:
    """Look at a saved scene in the browser: points, cameras with their photos, tracks.

    The page is served on this machine alone, unless --host says otherwise. Ctrl-C ends it. Needs
    viser: pip install 'glance3d[view]'.

    Example: glance3d view scene/
    """

    scene: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
    """A scene.npz, or the folder that holds one."""
    before: Annotated[
        Path | None, tyro.conf.arg(metavar="OTHER", help_behavior_hint="(default: none)")
    ] = None
    """The scene before its cameras were refined, to be shown beside it."""
    host: Annotated[str, tyro.conf.arg(metavar="ADDRESS")] = "127.0.0.1"
    """Where to listen. 0.0.0.0 lets everybody on the network look."""
    port: Annotated[int, tyro.conf.arg(metavar="INT")] = 8080
    """The port; the next free one if it is in use."""
    confidence_percentile: Annotated[float, tyro.conf.arg(metavar="PERCENT")] = 25.0
    """This share of the points, the least certain ones, is left out at first."""
    max_points: Annotated[int, tyro.conf.arg(metavar="INT")] = 1_500_000
    """At most this many points at once; near ones are drawn more densely than far ones."""
    located: Annotated[PhotoOptions, tyro.conf.arg(name="")] = field(default_factory=PhotoOptions)
    """Where the photos are."""
    no_open: bool = False
    """Do not open the browser; only say where the page is."""


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
