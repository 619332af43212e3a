"""A ``Reconstruction`` as the named arrays of a ``scene.npz``, and back; ``npz`` lists them."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import SceneError
from glance3d.files import to_json_text
from glance3d.geometry.cameras import unproject_depth
from glance3d.types import (
    Cameras,
    Masks,
    PhotoFacts,
    PhotoMask,
    Placement,
    Reconstruction,
    SparsePoints,
    Tracks,
    ViewTrust,
)

_PLACEMENT = ("original_size", "processed_size", "scale", "offset", "exif_orientation")
# The arrays' names, and the fields that they hold.
_TRACKS = {
    "track_positions": "positions",
    "track_visibility": "visibility",
    "track_confidence": "confidence",
    "track_query_views": "query_views",
}
_SPARSE = {
    "sparse_points": "points_world",
    "sparse_colors": "colors",
    "sparse_views": "view_indices",
    "sparse_indices": "point_indices",
    "sparse_pixels": "pixels_original",
}


def scene_to_arrays(scene: Reconstruction) -> dict[str, Any]:
    """Everything that the scene holds; points only where depth does not give them."""
    cameras, placements = scene.cameras, scene.placements
    trust = None if scene.trust is None else to_json_text([asdict(view) for view in scene.trust])
    facts = to_json_text([asdict(photo) for photo in scene.facts]) if scene.facts else None
    arrays: dict[str, Any] = {
        "names": np.array(scene.names),
        "sources": np.array(scene.sources),
        "original_size": np.array([p.original_size for p in placements], np.int64),
        "processed_size": np.array([p.processed_size for p in placements], np.int64),
        "scale": np.array([p.scale for p in placements], np.float64),
        "offset": np.array([p.offset for p in placements], np.float64),
        "exif_orientation": np.array([p.exif_orientation for p in placements], np.int64),
        "cam_from_world": cameras.cam_from_world,
        "intrinsics": cameras.intrinsics,
        "radial": cameras.radial,
        "physical": cameras.physical,
        "colors": scene.colors,
        "mask": scene.mask,
        "depth": scene.depth,
        "confidence": scene.confidence,
        "consistent": scene.consistent,
        "measured": scene.measured,
        "points_world": None if _is_derivable(scene) else scene.points_world,
        "points_from": scene.points_from or "",
        "facts": facts,
        "trust": trust,
        "model": scene.model,
        "units": scene.units,
        "world": scene.world,
        "reference_view": scene.reference_view,
        "report": to_json_text(scene.report),
    }
    if scene.has_masks:
        held = [(view, mask) for view, mask in enumerate(scene.masks) if mask is not None]
        arrays["mask_views"] = np.array([view for view, _ in held], np.int64)
        arrays["mask_bits"] = torch.cat([mask.bits for _, mask in held])
    for parts, names in ((scene.tracks, _TRACKS), (scene.sparse, _SPARSE)):
        if parts is not None:
            arrays |= {name: getattr(parts, field) for name, field in names.items()}
    return {name: array for name, array in arrays.items() if array is not None}


def scene_from_arrays(arrays: dict[str, np.ndarray]) -> Reconstruction:
    """The scene again. Raises ``SceneError``, ``KeyError`` or ``ValueError`` on damaged arrays."""
    tensors = {
        name: torch.from_numpy(array)
        for name, array in arrays.items()
        if array.dtype.kind in "fiub"
    }
    _check_shapes(tensors, len(arrays["names"]))
    placements = _placements(arrays)
    cameras = Cameras(
        tensors["cam_from_world"],
        tensors["intrinsics"],
        tensors["original_size"],
        tensors.get("radial"),
        tensors.get("physical"),
    )
    points, points_from = tensors.get("points_world"), str(arrays["points_from"]) or None
    if points is None and points_from == "depth":
        points = _points_from_depth(tensors["depth"], cameras, placements)
    tracks, trust = _held(_TRACKS, tensors), _json_list(arrays, "trust")
    return Reconstruction(
        names=tuple(arrays["names"].tolist()),
        sources=tuple(arrays["sources"].tolist()),
        placements=placements,
        cameras=cameras,
        colors=tensors["colors"],
        mask=tensors["mask"],
        depth=tensors.get("depth"),
        points_world=points,
        confidence=tensors.get("confidence"),
        points_from=points_from,
        tracks=Tracks(**tracks) if tracks else None,
        model=str(arrays["model"]),
        units=str(arrays["units"]),
        world=str(arrays.get("world", Reconstruction.world)),
        facts=tuple(PhotoFacts(**photo) for photo in _json_list(arrays, "facts") or ()),
        sparse=_sparse(tensors, len(placements)),
        consistent=tensors.get("consistent"),
        measured=tensors.get("measured"),
        trust=None if trust is None else tuple(ViewTrust(**view) for view in trust),
        masks=_masks(tensors, placements),
        reference_view=_reference_view(arrays, len(placements)),
        report=json.loads(str(arrays["report"])),
    )


def _is_derivable(scene: Reconstruction) -> bool:
    """Whether depth and cameras give these points, to float32 rounding."""
    if scene.points_world is None or scene.depth is None or scene.points_from != "depth":
        return False
    derived = _points_from_depth(scene.depth, scene.cameras, scene.placements)
    rounding = 1e-5 * scene.depth.abs().unsqueeze(-1) + 1e-5 * scene.points_world.abs()
    near = (derived - scene.points_world).abs() <= rounding
    same = near | ~torch.isfinite(scene.points_world) | (scene.depth == 0).unsqueeze(-1)
    return bool(same.all())


def _points_from_depth(
    depth: Float[Tensor, "views height width"], cameras: Cameras, placements: tuple[Placement, ...]
) -> Float[Tensor, "views height width 3"]:
    on_grid = cameras.on_grid(placements)
    return unproject_depth(depth, on_grid.cam_from_world, on_grid.intrinsics, radial=on_grid.radial)


def _placements(arrays: dict[str, np.ndarray]) -> tuple[Placement, ...]:
    rows = zip(*(arrays[name].tolist() for name in _PLACEMENT), strict=True)
    return tuple(
        Placement(tuple(original), tuple(processed), tuple(scale), tuple(offset), orientation)
        for original, processed, scale, offset, orientation in rows
    )


def _held(names: dict[str, str], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The fields whose arrays are there."""
    return {field: tensors[name] for name, field in names.items() if name in tensors}


def _sparse(tensors: dict[str, Tensor], num_views: int) -> SparsePoints | None:
    held = _held(_SPARSE, tensors)
    if not held:
        return None
    sparse = SparsePoints(**held)
    for indices, count in ((sparse.view_indices, num_views), (sparse.point_indices, len(sparse))):
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < count:
            raise SceneError(
                f"the saved scene's observations speak of number {int(indices.max())} where there "
                f"are {count}: the file is damaged"
            )
    return sparse


def _masks(tensors: dict[str, Tensor], placements: tuple[Placement, ...]) -> Masks:
    if "mask_views" not in tensors:
        return ()
    masks: list[PhotoMask | None] = [None] * len(placements)
    views = tensors["mask_views"].tolist()
    sizes = [placements[view].original_size for view in views]
    lengths = [(width * height + 7) // 8 for width, height in sizes]
    for view, size, bits in zip(views, sizes, tensors["mask_bits"].split(lengths), strict=True):
        masks[view] = PhotoMask(size, bits.clone())
    return tuple(masks)


def _reference_view(arrays: dict[str, np.ndarray], num_views: int) -> int:
    view = int(arrays.get("reference_view", 0))
    if not 0 <= view < max(num_views, 1):
        raise SceneError(f"the saved scene's reference view is {view} of {num_views}: damaged")
    return view


def _json_list(arrays: dict[str, np.ndarray], name: str) -> list[dict[str, Any]] | None:
    return json.loads(str(arrays[name])) if name in arrays else None


def _check_shapes(tensors: dict[str, Tensor], num_views: int) -> None:
    """Refuse arrays that do not belong together."""
    grid = (num_views, *tensors["colors"].shape[1:3])
    num_points = len(tensors.get("sparse_points", ()))
    num_observations = len(tensors.get("sparse_views", ()))
    wanted: dict[str, tuple[int, ...]] = {
        "original_size": (num_views, 2),
        "cam_from_world": (num_views, 3, 4),
        "intrinsics": (num_views, 3, 3),
        "radial": (num_views,),
        "physical": (num_views,),
        "colors": (*grid, 3),
        "points_world": (*grid, 3),
        **dict.fromkeys(("mask", "depth", "confidence", "consistent", "measured"), grid),
        "sparse_points": (num_points, 3),
        "sparse_colors": (num_points, 3),
        "sparse_views": (num_observations,),
        "sparse_indices": (num_observations,),
        "sparse_pixels": (num_observations, 2),
    }
    for name, shape in wanted.items():
        if name in tensors and tuple(tensors[name].shape) != shape:
            raise SceneError(
                f"the saved scene's {name} has shape {tuple(tensors[name].shape)}, not {shape}: "
                "the file is damaged"
            )
