"""The one table of everything that reads a file. A new reader is a function, and a line here."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from PIL import Image

from glance3d.errors import Glance3DError
from glance3d.evaluation.predictions import load_prediction
from glance3d.evaluation.protocols.layouts.table import LAYOUTS
from glance3d.exporters import export, load_scene
from glance3d.exporters.colmap.check import check_colmap_model
from glance3d.images import load_images, load_masks
from glance3d.images.masks import MaskedPhoto
from glance3d.known_cameras import load_known_cameras, match_views
from glance3d.metric_scale.constraints import KnownDepthMap
from glance3d.metric_scale.readings import scale_from_depths
from glance3d.models import build_model, load_model
from glance3d.models.weights.files import load_weights
from glance3d.models.weights.partial import load_partial_weights
from glance3d.models.zoo import outline_model
from glance3d.photo_sets import load_photo_set
from glance3d.photo_sets.checking import check_photo_set, describe_check
from glance3d.training import Trainer
from glance3d.training.data.sample_batch import load_textures
from glance3d.training.run.training_log import draw_learning_curve, read_log
from glance3d.types import Reconstruction
from glance3d.viewer.clouds import depth_cloud, sparse_cloud
from glance3d.viewer.display import first_look, surer_points, upright_display
from glance3d.viewer.facts import photo_facts, scene_facts
from glance3d.viewer.track_lines import has_tracks, track_lines
from tests.fuzz.seeds import Seed, cameras, networks, photo_sets, photos, protocol_data, scenes
from tests.images.files import gradient


@dataclass(frozen=True)
class Reader:
    """What reads the mutated files of a folder; it returns, or raises a ``Glance3DError``."""

    seeds: Callable[[], Sequence[Seed]]
    read: Callable[[Path], object]


class RunEndedError(Exception):
    """A photo that cannot be read ended a run in which others could."""


def _read_photo(folder: Path) -> None:
    """Beside a whole photo a damaged one is left out, and named, or is read; nothing else."""
    (damaged,) = folder.iterdir()
    try:
        batch = load_images([damaged, _whole_photo()])
    except Glance3DError as error:
        raise RunEndedError(f"{type(error).__name__}: {error}") from error
    if len(batch.names) + len(batch.skipped) != 2:
        raise RunEndedError("a photo is neither among those that are used nor among the skipped")


@cache
def _whole_photo() -> Path:
    import tempfile

    path = Path(tempfile.mkdtemp()) / "whole.png"
    Image.fromarray(gradient(*photos.SIZE)).save(path)
    return path


def _read_clip(folder: Path) -> None:
    (clip,) = folder.iterdir()
    load_images([clip])


def _read_mask(folder: Path) -> None:
    (mask,) = load_masks(folder, [MaskedPhoto("photo.jpg", "photo.jpg", photos.SIZE)])
    if mask is not None:
        mask.to_array()


def _read_textures(folder: Path) -> None:
    load_textures(folder, 16)


def _read_scene(folder: Path) -> None:
    load_scene(folder)


def _export_scene(folder: Path) -> None:
    """Whatever is read can be written in every kind of format."""
    scene = load_scene(folder)
    for name in (
        "cameras.json",
        "transforms.json",
        "sparse",
        "points.ply",
        "scene.npz",
        "poses.tum",
    ):
        _unless_refused(export, scene, folder / "out" / name)
    for name in ("scene.glb", "depth", "masks", "report.json"):
        _unless_refused(export, scene, folder / "out" / name)


def _show_scene(folder: Path) -> None:
    """Whatever is read can be shown, as a page and in the viewer."""
    scene = load_scene(folder)
    _unless_refused(export, scene, folder / "scene.html")
    _unless_refused(_look_at, scene)


def _look_at(scene: Reconstruction) -> None:
    """All that the viewer asks of a scene before it serves it."""
    display, sample = upright_display(scene), surer_points(scene)
    first_look(scene, display, display.transform_points(sample).numpy())
    scene_facts(scene, sample)
    for view in range(scene.num_views):
        photo_facts(scene, view)
    depth_cloud(scene, display)
    if scene.sparse is not None:
        sparse_cloud(scene, display)
    if has_tracks(scene):
        track_lines(scene, display)


def _unless_refused(function: Callable[..., object], *arguments: object) -> None:
    with suppress(Glance3DError):
        function(*arguments)


def _read_known_cameras(folder: Path) -> None:
    """Read by its content, and asked what it knows of two photos."""
    files = [path for path in folder.iterdir() if path.is_file()]
    known = load_known_cameras(files[0] if len(files) == 1 else folder)
    match_views(known, cameras.NAMES, [photos.SIZE] * 2, orientations=[1, 6]).describe()


def _read_photo_set(folder: Path) -> None:
    photo_set = load_photo_set(folder)
    for view, path in enumerate(photo_set.depth_paths):
        if path is not None:
            photo_set.load_depth(view)


def _check_photo_set(folder: Path) -> None:
    describe_check(check_photo_set(load_photo_set(folder)))


def _read_protocol_data(folder: Path) -> None:
    """All frames of all scenes, with depth and scans; the folder in it is called as its layout."""
    (data,) = folder.iterdir()
    for listed in LAYOUTS[data.name].list_scenes(data):
        truth = listed.read(range(len(listed.frames)))
        for view in range(len(listed.frames)):
            if truth.load_depth is not None:
                truth.load_depth(view)
        if truth.load_scan is not None:
            scan = truth.load_scan()
            for counts in (scan.observed, scan.counted):
                if counts is not None:
                    counts(scan.points)


def _read_exported_model(folder: Path) -> None:
    check_colmap_model(next(path.parent for path in folder.rglob("cameras.*")))


def _read_depth_map(folder: Path) -> None:
    (path,) = folder.iterdir()
    scale_from_depths(scenes.small_scene(), (KnownDepthMap("a.png", path),))


def _read_prediction(folder: Path) -> None:
    load_prediction(folder / "prediction.npz")


def _read_weights(folder: Path) -> None:
    load_model(folder / "weights.safetensors", device="cpu")


def _read_config(folder: Path) -> None:
    outline_model(folder / "weights.safetensors", device="cpu")


def _read_pickled_weights(folder: Path) -> None:
    load_weights(build_model(networks.smallest()), folder / "weights.pt", torch.device("cpu"))


def _read_partial_weights(folder: Path) -> None:
    load_partial_weights(build_model(networks.smallest()), folder / "weights.safetensors")


def _read_checkpoint(folder: Path) -> None:
    trainer = Trainer(networks.training(), folder, show_progress=False)
    trainer.resume()
    networks.take_step(trainer)


def _read_log(folder: Path) -> None:
    lines = read_log(folder / "log.jsonl", "train")
    draw_learning_curve(lines, ("loss", "camera"), folder / "curve.png", 0.9)


READERS: dict[str, Reader] = {
    "photos": Reader(photos.photo_seeds, _read_photo),
    "exif": Reader(photos.exif_seeds, _read_photo),
    "masks": Reader(photos.mask_seeds, _read_mask),
    "clips": Reader(photos.clip_seeds, _read_clip),
    "textures": Reader(photos.texture_seeds, _read_textures),
    "scene": Reader(scenes.scene_seeds, _read_scene),
    "scene-exported": Reader(scenes.scene_seeds, _export_scene),
    "scene-shown": Reader(scenes.scene_seeds, _show_scene),
    "cameras.json": Reader(cameras.cameras_json_seeds, _read_known_cameras),
    "transforms.json": Reader(cameras.transforms_json_seeds, _read_known_cameras),
    "colmap-text": Reader(cameras.colmap_text_seeds, _read_known_cameras),
    "colmap-binary": Reader(cameras.colmap_binary_seeds, _read_known_cameras),
    "colmap-exported": Reader(cameras.colmap_export_seeds, _read_exported_model),
    "tum": Reader(cameras.tum_seeds, _read_known_cameras),
    "photo-set": Reader(cameras.photo_set_seeds, _read_photo_set),
    "photo-set-foreign": Reader(photo_sets.foreign_set_seeds, _check_photo_set),
    "protocol-data": Reader(protocol_data.protocol_data_seeds, _read_protocol_data),
    "depth-maps": Reader(scenes.depth_map_seeds, _read_depth_map),
    "predictions": Reader(scenes.prediction_seeds, _read_prediction),
    "weights": Reader(networks.weights_seeds, _read_weights),
    "weights-config": Reader(networks.config_seeds, _read_config),
    "weights-pt": Reader(networks.pickled_weights_seeds, _read_pickled_weights),
    "weights-partial": Reader(networks.weights_seeds, _read_partial_weights),
    "checkpoint": Reader(networks.checkpoint_seeds, _read_checkpoint),
    "log": Reader(networks.log_seeds, _read_log),
}
