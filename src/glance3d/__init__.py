"""Glance3D: cameras, depth and points from photos in one forward pass.

``scene = glance3d.reconstruct("photos/")`` turns photos into cameras, depth and points;
``glance3d.export(scene, "scene.glb")`` writes them for other tools. Importing this package loads
nothing heavy: a public name is imported when it is first used (PEP 562).
"""

import importlib
from typing import TYPE_CHECKING, Any

from glance3d._version import __version__

if TYPE_CHECKING:
    from glance3d.batches import batch as batch
    from glance3d.densification import densify as densify
    from glance3d.errors import Glance3DError as Glance3DError
    from glance3d.exporters import export as export
    from glance3d.exporters import load_scene as load_scene
    from glance3d.images import Preprocessing as Preprocessing
    from glance3d.images import load_images as load_images
    from glance3d.images import with_photos as with_photos
    from glance3d.incremental import LocatedPhoto as LocatedPhoto
    from glance3d.incremental import add_photos as add_photos
    from glance3d.incremental import locate as locate
    from glance3d.known_cameras import load_known_cameras as load_known_cameras
    from glance3d.metric_scale import MetricConstraints as MetricConstraints
    from glance3d.metric_scale import apply_metric_scale as apply_metric_scale
    from glance3d.models import build_model as build_model
    from glance3d.models import list_cards as list_cards
    from glance3d.models import load_model as load_model
    from glance3d.pass_options import PassOptions as PassOptions
    from glance3d.prediction import predict as predict
    from glance3d.reconstruction import reconstruct as reconstruct
    from glance3d.refinement import RefineOptions as RefineOptions
    from glance3d.refinement import refine as refine
    from glance3d.tracking import track as track
    from glance3d.types import Cameras as Cameras
    from glance3d.types import ImageBatch as ImageBatch
    from glance3d.types import Placement as Placement
    from glance3d.types import Predictions as Predictions
    from glance3d.types import Reconstruction as Reconstruction
    from glance3d.types import Tracks as Tracks
    from glance3d.viewer import view as view

# Where each public name lives.
_HOMES = {
    "Cameras": "glance3d.types",
    "Glance3DError": "glance3d.errors",
    "ImageBatch": "glance3d.types",
    "LocatedPhoto": "glance3d.incremental",
    "MetricConstraints": "glance3d.metric_scale",
    "PassOptions": "glance3d.pass_options",
    "Placement": "glance3d.types",
    "Predictions": "glance3d.types",
    "Preprocessing": "glance3d.images",
    "Reconstruction": "glance3d.types",
    "RefineOptions": "glance3d.refinement",
    "Tracks": "glance3d.types",
    "add_photos": "glance3d.incremental",
    "apply_metric_scale": "glance3d.metric_scale",
    "batch": "glance3d.batches",
    "build_model": "glance3d.models",
    "densify": "glance3d.densification",
    "export": "glance3d.exporters",
    "list_cards": "glance3d.models",
    "load_images": "glance3d.images",
    "load_known_cameras": "glance3d.known_cameras",
    "load_model": "glance3d.models",
    "load_scene": "glance3d.exporters",
    "locate": "glance3d.incremental",
    "predict": "glance3d.prediction",
    "reconstruct": "glance3d.reconstruction",
    "refine": "glance3d.refinement",
    "track": "glance3d.tracking",
    "view": "glance3d.viewer",
    "with_photos": "glance3d.images",
}

__all__ = [
    "Cameras",
    "Glance3DError",
    "ImageBatch",
    "LocatedPhoto",
    "MetricConstraints",
    "PassOptions",
    "Placement",
    "Predictions",
    "Preprocessing",
    "Reconstruction",
    "RefineOptions",
    "Tracks",
    "__version__",
    "add_photos",
    "apply_metric_scale",
    "batch",
    "build_model",
    "densify",
    "export",
    "list_cards",
    "load_images",
    "load_known_cameras",
    "load_model",
    "load_scene",
    "locate",
    "predict",
    "reconstruct",
    "refine",
    "track",
    "view",
    "with_photos",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"glance3d has no attribute {name!r}; public names: {__all__}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, also those not imported yet."""
    return sorted(set(globals()) | set(__all__))
