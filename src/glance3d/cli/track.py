"""``glance3d track``: points of any photo, followed through all of them."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from glance3d.cli.options.output import SCENE_FILE
from glance3d.cli.options.photos import PhotoOptions, load_with_photos
from glance3d.errors import InputError
from glance3d.files.atomic import to_json_text

if TYPE_CHECKING:
    from glance3d.types import Reconstruction


@dataclass(frozen=True)
class Options:
    """Follow points of any photo through all of them.

    Writes tracks.json and tracks.csv (pixels of the original photos, visibility and confidence from
    0 to 1), tracks.png (all photos with the tracks drawn on them: discs where a point is visible,
    rings where it is not) and tracks.webp or .mp4 (the same as an animation).

    What the numbers mean depends on the way of following. network: the tracker's own sigmoids;
    visible means nothing hides the point, confident that it is within 2.3 % of the longer side.
    matching: visibility is 2 ** -(d/2), where d is how many feature cells from the query the match
    of the match lies; confidence is the cosine of the features. geometry: visibility is
    2 ** -(e/0.05), where e is by how much of its depth the point misses the other photo's surface;
    confidence is the rank of the query's depth in its photo.

    Example: glance3d track scene/ --query IMG_12.jpg:812,640 3:100,220
    Example: glance3d track photos/ --grid 20 --query-view 4 --out tracks/
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
    """Instead of queries: so many points along the longer side of one photo."""
    query_view: Annotated[str, tyro.conf.arg(metavar="PHOTO")] = "0"
    """The photo of the grid: its name, or its number from 0."""
    by: Literal["auto", "network", "matching", "geometry"] = "auto"
    """How points are followed; auto is the best that is known for the model and the scene."""
    min_visibility: Annotated[
        float | None, tyro.conf.arg(metavar="FROM 0 TO 1", help_behavior_hint="(default: 0.5)")
    ] = None
    """A point counts as visible from this visibility on."""
    min_confidence: Annotated[
        float | None,
        tyro.conf.arg(metavar="FROM 0 TO 1", help_behavior_hint="(default: 0.9 by matching, or 0)"),
    ] = None
    """And from this confidence on."""
    masks: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """With photos: images called as they are; what is black shows no point."""
    animation: Literal["webp", "mp4"] = "webp"
    """The animation's format; mp4 needs the extra video."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder for the results; for a saved scene, its own folder tracks/ if none is given."""
    overwrite: bool = False
    """Allow to replace files there that Glance3D did not write, or that were changed since."""
    model: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="NAME|FILE", help_behavior_hint="(default: the scene's, or glance-small)"
        ),
    ] = None
    """A known model (see glance3d models) or a weights file that glance3d train wrote."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """A .safetensors or .pt file to use instead of the model's own weights."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the network's large products."""
    max_pixels: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Pixels a view that the network sees: more are more exact, fewer are faster."""
    located: Annotated[PhotoOptions, tyro.conf.arg(name="")] = field(default_factory=PhotoOptions)
    """Where a saved scene's photos are."""
    json: bool = False
    """Print the content of tracks.json, and nothing else, to stdout."""


def run(options: Options) -> None:
    """Follow the points, write everything, and say what was written."""
    if not options.sources:
        raise InputError("no photos given: glance3d track SCENE_OR_PHOTOS --query PHOTO:X,Y")
    queries = [parse_query(word) for word in options.query]
    if bool(queries) == (options.grid is not None):
        raise InputError("say what to follow: either --query PHOTO:X,Y ... or --grid N")
    folder = scene_folder(options.sources)
    out = options.out or (folder and folder / "tracks")
    if out is None:
        raise InputError("say where the tracks of these photos are to go: --out DIR")

    from glance3d.tracking import open_tracks, thresholds_of, track

    thresholds_of("network", options.min_visibility, options.min_confidence)  # refused early
    photos = None if folder is None else folder / "images"
    scene = None if folder is None else load_with_photos(Path(options.sources[0]), options.located)
    with open_tracks(out, overwrite=options.overwrite):
        scene = track(
            options.sources if scene is None else scene,
            queries or None,
            grid=options.grid,
            query_view=options.query_view,
            by=options.by,
            model=options.model,
            weights=options.weights,
            device=options.device,
            precision=options.precision,
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
    return scenes[0] if scenes[0].is_dir() else scenes[0].parent


def _is_scene(path: Path) -> bool:
    return path.suffix == ".npz" or (path.is_dir() and (path / SCENE_FILE).is_file())


def write(scene: "Reconstruction", options: Options, out: Path, photos: Path | None) -> None:
    """Files, the picture and the animation; then one line about each."""
    from glance3d.images import Originals
    from glance3d.tracking import save_tracks, thresholds_of

    by = scene.report["tracks"]["by"]
    thresholds = thresholds_of(by, options.min_visibility, options.min_confidence)
    picture = Originals(scene, photos).__getitem__
    document, paths = save_tracks(scene, picture, out, thresholds, animation=options.animation)
    if options.json:
        print(to_json_text(document, indent=1))
        return
    found = [sum(seen["visible"] for seen in t["observations"]) for t in document["tracks"]]
    print(
        f"followed {len(found)} points through {scene.num_views} photos by {by} "
        f"({document['meaning']})"
    )
    print(
        f"a point is visible in {sum(found) / len(found):.1f} photos on average (visibility from "
        f"{thresholds.min_visibility:g}, confidence from {thresholds.min_confidence:g})"
    )
    print(f"wrote {', '.join(path.name for path in paths)} to {out}/")
