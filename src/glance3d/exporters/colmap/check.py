"""Whether a written COLMAP model says what it should: read back, every observation reprojected.

The answer stands in ``report.json`` under ``checks.colmap``; its keys are stable:

- ``num_cameras``, ``num_views``, ``num_points``, ``num_observations``, ``num_points_of_one_view``;
- ``observations``: "measured tracks" (of refinement) or "tracks and depth maps", of which those of
  depth maps are implied by the geometry and say nothing of how good it is;
- ``median_px``, ``p90_px``, ``max_px``: distances, in pixels of the original photos, between the
  observations and the projections of their points; None without observations;
- ``num_behind_camera`` and ``num_outside_photo``: observations that no camera could make;
- ``lists_agree``: whether photos and points list the same observations.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from glance3d.errors import CamerasError, SceneError
from glance3d.formats.colmap.binary import read_binary_model
from glance3d.formats.colmap.records import ColmapCamera, ColmapModel, ColmapPoints2D
from glance3d.geometry.cameras import project_points
from glance3d.geometry.rotations import rotation_from_quat_xyzw


def check_colmap_model(folder: Path) -> dict[str, Any]:
    """The check's numbers, all but ``observations``. Raises ``SceneError`` on unreadable files."""
    try:
        model = read_binary_model(folder)
        _refuse_missing(model)
        errors, behind, outside = _residuals(model)
    except CamerasError as error:
        raise SceneError(f"{folder} holds no whole COLMAP model: {error}") from error
    return {
        "num_cameras": len(model.cameras),
        "num_views": len(model.images),
        "num_points": len(model.points.ids),
        "num_observations": len(errors),
        "num_points_of_one_view": int((model.points.track_lengths < 2).sum()),
        "median_px": _rounded(errors, 0.5),
        "p90_px": _rounded(errors, 0.9),
        "max_px": _rounded(errors, 1.0),
        "num_behind_camera": int(behind.sum()),
        "num_outside_photo": int(outside.sum()),
        "lists_agree": _lists_agree(model),
    }


def colmap_check_warnings(check: dict[str, Any]) -> list[str]:
    """What a person must know of a check: nothing, if the model is sound."""
    num_observations = check["num_observations"]
    warnings = []
    if not check["lists_agree"]:
        warnings.append("the COLMAP model's photos and points list different observations")
    for key, where in (
        ("num_behind_camera", "of points behind the camera"),
        ("num_outside_photo", "outside the photo"),
    ):
        if check[key]:
            warnings.append(
                f"{check[key]} of {num_observations} observations of the COLMAP model are {where}"
            )
    return warnings


def _rounded(errors: Float[np.ndarray, " observations"], share: float) -> float | None:
    return round(float(np.quantile(errors, share)), 6) if len(errors) else None


def _refuse_missing(model: ColmapModel) -> None:
    """Refuse photos of cameras, and tracks of 2-D points, that are not there."""
    for image_id, image in model.images.items():
        if image.camera_id not in model.cameras:
            raise CamerasError(f"image {image_id} is of the camera {image.camera_id}, not in it")
    for image_id, elements in _elements_by_image(model):
        last = int(model.points.point2d_indices[elements].max())
        image = model.images.get(image_id)
        if image is None or last >= len(_points_2d(model, image_id).xy):
            raise CamerasError(f"a track names the 2-D point {last} of image {image_id}, not in it")


def _residuals(
    model: ColmapModel,
) -> tuple[
    Float[np.ndarray, " elements"], Bool[np.ndarray, " elements"], Bool[np.ndarray, " elements"]
]:
    """Errors in pixels; whether the point is behind the camera; whether the pixel is outside."""
    point_of_element = model.points.point_of_element
    num_elements = len(point_of_element)
    errors = np.zeros(num_elements)
    behind, outside = np.zeros(num_elements, bool), np.zeros(num_elements, bool)
    for image_id, elements in _elements_by_image(model):
        image = model.images[image_id]
        camera = model.cameras[image.camera_id]
        intrinsics, radial = _pinhole(camera)
        rotation = rotation_from_quat_xyzw(torch.from_numpy(np.roll(image.quat_wxyz, -1)))
        translation = torch.tensor(image.translation, dtype=torch.float64)
        projected, depth = project_points(
            torch.from_numpy(model.points.xyz[point_of_element[elements]]),
            torch.cat([rotation, translation[:, None]], -1),
            torch.from_numpy(intrinsics),
            torch.tensor(radial, dtype=torch.float64),
        )
        observed = _points_2d(model, image_id).xy[model.points.point2d_indices[elements]]
        errors[elements] = np.linalg.norm(projected.numpy() - observed, axis=-1)
        behind[elements] = depth.numpy() <= 0
        outside[elements] = ((observed < 0) | (observed > camera.size)).any(-1)
    return errors, behind, outside


def _pinhole(camera: ColmapCamera) -> tuple[Float[np.ndarray, "3 3"], float]:
    """Intrinsics and k1 of a camera that we write; other coefficients are 0 there."""
    values = camera.pinhole_parameters()
    if values is None:
        raise CamerasError(f"a camera of the model {camera.model}, which is never written")
    rows = [[values["fx"], 0, values["cx"]], [0, values["fy"], values["cy"]], [0, 0, 1]]
    return np.array(rows, np.float64), values.get("k1", 0.0)


def _lists_agree(model: ColmapModel) -> bool:
    """Every track element is a 2-D point that names its point, and there are no others."""
    point_of_element = model.points.point_of_element
    num_named = sum(
        int((_points_2d(model, image_id).point3d_ids != -1).sum()) for image_id in model.images
    )
    if num_named != len(point_of_element):
        return False
    for image_id, elements in _elements_by_image(model):
        indices = model.points.point2d_indices[elements]
        is_repeated = np.bincount(indices).max(initial=0) > 1
        listed_ids = model.points.ids[point_of_element[elements]]
        named_ids = _points_2d(model, image_id).point3d_ids[indices]
        if is_repeated or (named_ids != listed_ids).any():
            return False
    return True


def _points_2d(model: ColmapModel, image_id: int) -> ColmapPoints2D:
    points = model.images[image_id].points2d
    assert points is not None  # a whole model was read
    return points


def _elements_by_image(model: ColmapModel) -> Iterator[tuple[int, Int[np.ndarray, " elements"]]]:
    """Every photo that is in a track, with the places of its elements."""
    order = np.argsort(model.points.image_ids, kind="stable")
    image_ids, starts = np.unique(model.points.image_ids[order], return_index=True)
    for image_id, start, end in zip(image_ids, starts, (*starts[1:], len(order)), strict=False):
        yield int(image_id), order[start:end]
