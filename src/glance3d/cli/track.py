"""``glance3d track``: points of any photo, followed through all of them."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.cli.options.model import SceneModelFlags
from glance3d.cli.options.output import SCENE_FILE, home_of
from glance3d.cli.options.photos import PhotoFlags, load_with_photos
from glance3d.errors import InputError
from glance3d.files.atomic import to_json_text
from glance3d.text import counted

if TYPE_CHECKING:
    from glance3d.tracking.methods import Thresholds
    from glance3d.types import Reconstruction

_MASKS = (
    "For photos (a scene has its own): folder of masks, named like the photos; no point is visible "
    "where they are black."
)


@dataclass(frozen=True)
class TrackModelFlags(SceneModelFlags):
    """Which network, and where it runs."""

    name: Annotated[
        str | None,
        tyro.conf.arg(
            name="model",
            metavar="NAME|FILE|auto",
            help_behavior_hint="(default: the scene's own, or glance-small)",
        ),
    ] = None
    """A known model (glance3d models lists them), a weights file written by glance3d train, or
    auto: the most accurate one on this machine."""


@dataclass(frozen=True, kw_only=True)
class TrackOutputFlags:
    """Where the tracks go, and what they show as visible."""

    out: Annotated[
        Path | None,
        tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: tracks/ in the scene's folder)"),
    ] = None
    """Folder for the results; created if missing. Photos need one."""
    overwrite: Flag = False
    """Replace files there even if Glance3D did not write them, or they were changed since."""
    animation: Literal["webp", "mp4"] = "webp"
    """The animation's format; mp4 needs pip install 'glance3d[video]'."""
    min_visibility: Annotated[
        float | None, tyro.conf.arg(metavar="0..1", help_behavior_hint="(default: 0.5)")
    ] = None
    """A point counts as visible where its visibility is at least this,"""
    min_confidence: Annotated[
        float | None,
        tyro.conf.arg(metavar="0..1", help_behavior_hint="(default: 0.85 by matching, else 0)"),
    ] = None
    """and its confidence at least this."""

    def thresholds(self, by: str) -> "Thresholds":
        """From which values on a point counts as visible; refuses impossible ones."""
        from glance3d.tracking import thresholds_of

        return thresholds_of(by, self.min_visibility, self.min_confidence)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Follow points of any photo through all of them.

    Writes tracks.json and tracks.csv (pixels of the original photos, visibility and confidence from
    0 to 1), tracks.png (the tracks drawn on all photos: discs where a point is visible, rings where
    it is not) and tracks.webp or .mp4 (the same as an animation).

    What visibility and confidence mean depends on how points are followed:
      network: the tracker's own estimates. Visible: nothing hides the point.
        Confident: it is within 2.3 % of the photo's longer side.
      matching: visibility is 2 ** -(d/2) for a match whose own best match
        lies d feature cells from the query; confidence is the cosine of the
        features.
      geometry: visibility is 2 ** -(e/0.05) for a point that misses the other
        photo's surface by the share e of its depth; confidence is the rank of
        the query's depth in its photo.

    Examples:
      glance3d track scene/ --query IMG_12.jpg:812,640 3:100,220
      glance3d track photos/ --grid 20 --query-view 4 --out tracks/
    """

    sources: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="SOURCE...", help_behavior_hint="(at least one)"),
    ]
    """A saved scene (its folder or scene.npz), a folder of photos, photos, or globs in quotes."""
    query: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="PHOTO:X,Y...", help_behavior_hint="")
    ] = ()
    """Pixels (x, y) of original photos; a photo by its name, or by its number from 0."""
    grid: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Instead of --query: a grid with this many points along the longer side of one photo."""
    query_view: Annotated[str, tyro.conf.arg(metavar="PHOTO")] = "0"
    """The photo of the grid: its name, or its number from 0."""
    by: Literal["auto", "network", "matching", "geometry"] = "auto"
    """How points are followed. auto: the best way known for the model and the scene."""
    masks: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help=_MASKS, help_behavior_hint="")
    ] = None
    max_pixels: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Pixels per view that the network sees: more are more exact, fewer are faster."""
    json: Flag = False
    """Print the content of tracks.json, and nothing else, to stdout."""
    output: TrackOutputFlags = field(default_factory=TrackOutputFlags)
    model: TrackModelFlags = field(default_factory=TrackModelFlags)
    located: Annotated[PhotoFlags, tyro.conf.arg(name="photo")] = field(default_factory=PhotoFlags)


def run(options: Options) -> None:
    """Follow the points, write everything, and say what was written."""
    if not options.sources:
        raise InputError("got no photos: glance3d track SCENE_OR_PHOTOS --query PHOTO:X,Y")
    queries = [parse_query(word) for word in options.query]
    if bool(queries) == (options.grid is not None):
        raise InputError("say what to follow: either --query PHOTO:X,Y ... or --grid N")
    folder = scene_folder(options.sources)
    output, model = options.output, options.model
    out = output.out or (folder and folder / "tracks")
    if out is None:
        raise InputError("say where the tracks of these photos are to go: --out DIR")

    from glance3d.tracking import open_tracks, track

    output.thresholds("network")  # refused early
    photos = None if folder is None else folder / "images"
    scene = None if folder is None else load_with_photos(Path(options.sources[0]), options.located)
    with open_tracks(out, overwrite=output.overwrite):
        scene = track(
            options.sources if scene is None else scene,
            queries or None,
            grid=options.grid,
            query_view=options.query_view,
            by=options.by,
            model=model.name,
            weights=model.weights,
            device=model.device,
            precision=model.precision,
            commercial_only=model.commercial_only,
            adapter=model.adapter,
            preprocess=None if options.max_pixels is None else {"max_pixels": options.max_pixels},
            originals=photos,
            masks=options.masks,
            progress=sys.stderr.isatty(),
        )
        write(scene, options, out, photos)


def parse_query(word: str) -> tuple[str, float, float]:
    """``"IMG_1.jpg:10,20"`` as a photo and a pixel (x, y)."""
    name, _, pixel = word.rpartition(":")
    numbers = pixel.split(",")
    try:
        x, y = map(float, numbers if name else ())
    except ValueError:
        raise InputError(
            f"a query is a photo and a pixel such as IMG_1.jpg:320,240 or 0:320,240, got {word!r}"
        ) from None
    return name, x, y


def scene_folder(sources: tuple[str, ...]) -> Path | None:
    """The folder of the saved scene that was named; None for photos."""
    scenes = [path for path in map(Path, sources) if _is_scene(path)]
    if not scenes:
        return None
    if len(sources) > 1:
        raise InputError(f"{scenes[0]} is a saved scene: give it alone, or give photos")
    return home_of(scenes[0])


def _is_scene(path: Path) -> bool:
    return path.suffix == ".npz" or (path.is_dir() and (path / SCENE_FILE).is_file())


def write(scene: "Reconstruction", options: Options, out: Path, photos: Path | None) -> None:
    """Files, the picture and the animation; then one line about each."""
    from glance3d.images import Originals
    from glance3d.tracking import save_tracks

    by = scene.tracked_by or "network"
    thresholds = options.output.thresholds(by)
    picture = Originals(scene, photos).__getitem__
    document, paths = save_tracks(
        scene, picture, out, thresholds, animation=options.output.animation
    )
    if options.json:
        print(to_json_text(document, indent=1))
        return
    num_visible = [sum(seen["visible"] for seen in t["observations"]) for t in document["tracks"]]
    points, views = counted(len(num_visible), "point"), counted(scene.num_views, "photo")
    print(f"followed {points} through {views} by {by} ({document['meaning']})")
    print(
        f"a point is visible in {sum(num_visible) / len(num_visible):.1f} photos on average "
        f"(visibility from {thresholds.min_visibility:g}, "
        f"confidence from {thresholds.min_confidence:g})"
    )
    print(f"wrote {', '.join(path.name for path in paths)} to {out}/")
