"""A ``Reconstruction`` as the named arrays of a ``scene.npz``, and back; ``file`` lists them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import SceneError
from glance3d.files.atomic import to_json_text
from glance3d.formats.scene_npz.checks import (
    POINTS_FROM,
    UNITS,
    check_cameras,
    check_choice,
    check_mask_views,
    check_names,
    check_placement,
    check_sparse,
    check_text,
    check_tracks,
)
from glance3d.formats.scene_npz.records import (
    earlier_mask_input,
    earlier_registered_by,
    earlier_tracked_by,
    parse_metadata,
    parse_report,
    parse_trust,
)
from glance3d.geometry.cameras import unproject_depth
from glance3d.types import (
    REGISTERED_BY,
    TRACKED_BY,
    Cameras,
    Masks,
    PhotoContent,
    PhotoMask,
    Placement,
    Reconstruction,
    Report,
    SparsePoints,
    Tracks,
)

_PLACEMENT = ("original_size", "processed_size", "scale", "offset", "exif_orientation")
_EXACT = ("scale", "offset", "sparse_points", "sparse_pixels")  # may be float64, all else is not
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
    metadata = to_json_text([asdict(photo) for photo in scene.metadata]) if scene.metadata else None
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
        "physical": cameras.camera_ids,
        "colors": scene.colors,
        "mask": scene.mask,
        "depth": scene.depth,
        "confidence": scene.confidence,
        "consistent": scene.consistent,
        "measured": scene.measured,
        "points_world": None if _is_derivable(scene) else scene.points_world,
        "points_from": scene.points_from or "",
        "facts": metadata,
        "trust": trust,
        "model": scene.model,
        "units": scene.units,
        "world": scene.world,
        "reference_view": scene.reference_view,
        "report": to_json_text(scene.report.to_json()),
        "warning_codes": _texts(scene.report.warning_codes()),
        "registered_by": _texts(scene.registered_by),
        "tracked_by": None if scene.tracks is None else scene.tracked_by,
        "mask_input": np.array(scene.mask_input) if scene.has_masks else None,
    }
    arrays |= _content_arrays(scene.contents, "source")
    arrays |= _content_arrays(scene.copies, "copy")
    if scene.has_masks:
        held = [(view, mask) for view, mask in enumerate(scene.masks) if mask is not None]
        arrays["mask_views"] = np.array([view for view, _ in held], np.int64)
        arrays["mask_bits"] = torch.cat([mask.bits for _, mask in held])
    for parts, names in ((scene.tracks, _TRACKS), (scene.sparse, _SPARSE)):
        if parts is not None:
            arrays |= {name: getattr(parts, field) for name, field in names.items()}
    return {name: array for name, array in arrays.items() if array is not None}


def scene_from_arrays(arrays: dict[str, np.ndarray]) -> Reconstruction:
    """The scene again, of arrays of the right types and shapes (``schema``).

    Raises:
        SceneError: the sentence's middle: what cannot be a scene.
    """
    tensors = {
        name: _tensor(array, exact=name in _EXACT)
        for name, array in arrays.items()
        if array.dtype.kind != "U"
    }
    words = {name: array.tolist() for name, array in arrays.items() if array.dtype.kind == "U"}
    check_text(words)
    check_names(words["names"])
    placements = _placements(tensors)
    num_views = len(placements)
    cameras = Cameras(
        tensors["cam_from_world"].float(),
        tensors["intrinsics"].float(),
        tensors["original_size"],
        tensors.get("radial"),
        tensors.get("physical"),
    )
    check_cameras(cameras)
    points, points_from = _points(tensors, words["points_from"], cameras, placements)
    tracks, sparse = _held(_TRACKS, tensors), _held(_SPARSE, tensors)
    report = parse_report(words["report"], words.get("warning_codes"))
    scene = Reconstruction(
        names=tuple(words["names"]),
        sources=tuple(words["sources"]),
        placements=placements,
        cameras=cameras,
        colors=tensors["colors"],
        mask=tensors["mask"],
        depth=tensors.get("depth"),
        points_world=points,
        confidence=tensors.get("confidence"),
        points_from=points_from,
        tracks=Tracks(**tracks) if tracks else None,
        model=words["model"],
        units=check_choice("units", words["units"], UNITS),
        world=words.get("world", Reconstruction.world),
        metadata=parse_metadata(words["facts"], num_views) if "facts" in words else (),
        sparse=SparsePoints(**sparse) if sparse else None,
        consistent=tensors.get("consistent"),
        measured=tensors.get("measured"),
        trust=parse_trust(words["trust"], num_views) if "trust" in words else None,
        masks=_masks(tensors, placements),
        reference_view=_reference_view(tensors, num_views),
        contents=_contents(tensors, words, "source"),
        copies=_contents(tensors, words, "copy"),
        mask_input=bool(tensors["mask_input"])
        if "mask_input" in tensors
        else earlier_mask_input(report),
        tracked_by=_tracked_by(words, report) if tracks else None,
        registered_by=_registered_by(words, report),
        report=report,
    )
    if scene.tracks is not None:
        check_tracks(scene.tracks, num_views)
    if scene.sparse is not None:
        check_sparse(scene.sparse, num_views)
    return scene


def _tensor(array: np.ndarray, *, exact: bool) -> Tensor:
    if array.dtype.kind == "b":  # any byte but 0 is true, and not only 1
        return torch.from_numpy(np.asarray(array.view(np.uint8) != 0))
    if array.dtype.kind == "f" and not exact:  # others' tools save float64
        with np.errstate(over="ignore"):
            return torch.from_numpy(array.astype(np.float32, copy=False))
    return torch.from_numpy(array.astype(np.int64) if array.dtype.kind == "i" else array)


def _points(
    tensors: dict[str, Tensor], made_from: str, cameras: Cameras, placements: tuple[Placement, ...]
) -> tuple[Tensor | None, str | None]:
    """The points in the world, and what they were made from; depth gives them where it can."""
    check_choice("points_from", made_from, POINTS_FROM)
    points = tensors.get("points_world")
    if (points is None) != (made_from == ""):
        if made_from != "depth" or "depth" not in tensors:
            raise SceneError(f"its points are from {made_from!r}, which it does not hold")
        points = _points_from_depth(tensors["depth"], cameras, placements)
    return points, made_from or None


def _is_derivable(scene: Reconstruction) -> bool:
    """Whether depth and cameras give these points, to float32 rounding."""
    if scene.points_world is None or scene.depth is None or scene.points_from != "depth":
        return False
    views = zip(range(scene.num_views), scene.depth, scene.points_world, strict=True)
    return all(_gives(scene, view, depth, points) for view, depth, points in views)


def _gives(
    scene: Reconstruction,
    view: int,
    depth: Float[Tensor, "height width"],
    points: Float[Tensor, "height width 3"],
) -> bool:
    """Whether a view's depth gives its points."""
    cameras, placements = scene.cameras.of_views([view]), (scene.placements[view],)
    derived = _points_from_depth(depth[None], cameras, placements)[0]
    rounding = 1e-5 * depth.abs().unsqueeze(-1) + 1e-5 * points.abs()
    near = (derived - points).abs() <= rounding
    return bool((near | ~torch.isfinite(points) | (depth == 0).unsqueeze(-1)).all())


def _points_from_depth(
    depth: Float[Tensor, "views height width"], cameras: Cameras, placements: tuple[Placement, ...]
) -> Float[Tensor, "views height width 3"]:
    on_grid = cameras.on_grid(placements)
    return unproject_depth(depth, on_grid.cam_from_world, on_grid.intrinsics, radial=on_grid.radial)


def _placements(tensors: dict[str, Tensor]) -> tuple[Placement, ...]:
    height, width = tensors["colors"].shape[1:3]
    rows = zip(*(tensors[name].tolist() for name in _PLACEMENT), strict=True)
    placements = tuple(
        Placement(tuple(original), tuple(processed), tuple(scale), tuple(offset), orientation)
        for original, processed, scale, offset, orientation in rows
    )
    for placement in placements:
        check_placement(placement, (width, height))
    return placements


def _held(names: dict[str, str], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The fields whose arrays are there."""
    return {field: tensors[name] for name, field in names.items() if name in tensors}


def _masks(tensors: dict[str, Tensor], placements: tuple[Placement, ...]) -> Masks:
    if "mask_views" not in tensors:
        return ()
    masks: list[PhotoMask | None] = [None] * len(placements)
    views, bits = tensors["mask_views"].tolist(), tensors["mask_bits"]
    check_mask_views(views, len(placements))
    sizes = [placements[view].original_size for view in views]
    lengths = [(width * height + 7) // 8 for width, height in sizes]
    if sum(lengths) != len(bits):
        raise SceneError(f"its mask_bits are {len(bits)} bytes, its photos need {sum(lengths)}")
    for view, size, own in zip(views, sizes, bits.split(lengths), strict=True):
        masks[view] = PhotoMask(size, own.clone())
    return tuple(masks)


def _tracked_by(words: dict[str, Any], report: Report) -> str:
    if "tracked_by" not in words:
        return earlier_tracked_by(report)
    return check_choice("tracked_by", words["tracked_by"], TRACKED_BY)


def _registered_by(words: dict[str, Any], report: Report) -> tuple[str, ...]:
    if "registered_by" not in words:
        return earlier_registered_by(report, words["names"])
    return tuple(check_choice("registered_by", by, REGISTERED_BY) for by in words["registered_by"])


def _texts(texts: Sequence[str]) -> np.ndarray | None:
    return np.array(texts) if texts else None


def _reference_view(tensors: dict[str, Tensor], num_views: int) -> int:
    view = int(tensors.get("reference_view", 0))
    if not 0 <= view < num_views:
        raise SceneError(f"its reference view is {view} of {num_views}")
    return view


def _contents(
    tensors: dict[str, Tensor], words: dict[str, Any], whose: str
) -> tuple[PhotoContent | None, ...]:
    if f"{whose}_bytes" not in tensors:
        return ()
    pairs = zip(tensors[f"{whose}_bytes"].tolist(), words[f"{whose}_sha256"], strict=True)
    contents = tuple(PhotoContent(*pair) if pair[1] else None for pair in pairs)
    if not all(content is None or content.is_valid for content in contents):
        raise SceneError(f"its {whose}_sha256 holds what is no SHA-256, or of no file")
    return contents


def _content_arrays(contents: tuple[PhotoContent | None, ...], whose: str) -> dict[str, np.ndarray]:
    if not contents:
        return {}
    return {
        f"{whose}_bytes": np.array([c.size if c else -1 for c in contents], np.int64),
        f"{whose}_sha256": np.array([c.sha256 if c else "" for c in contents]),
    }
