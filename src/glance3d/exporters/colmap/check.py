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

from glance3d.exporters.colmap.reader import ReadModel, read_colmap_model
from glance3d.geometry.cameras import project_points
from glance3d.geometry.transforms import rotation_from_quat_xyzw


def check_colmap_model(folder: Path) -> dict[str, Any]:
    """The check's numbers, all but ``observations``. Raises ``SceneError`` on unreadable files."""
    model = read_colmap_model(folder)
    errors, behind, outside = _residuals(model)
    lengths = np.bincount(model.track_points, minlength=len(model.point_ids))
    return {
        "num_cameras": len(model.cameras),
        "num_views": len(model.images),
        "num_points": len(model.point_ids),
        "num_observations": len(errors),
        "num_points_of_one_view": int((lengths < 2).sum()),
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
    found = []
    if not check["lists_agree"]:
        found.append("the COLMAP model's photos and points list different observations")
    for key, where in (
        ("num_behind_camera", "of points behind the camera"),
        ("num_outside_photo", "outside the photo"),
    ):
        if check[key]:
            found.append(
                f"{check[key]} of {num_observations} observations of the COLMAP model are {where}"
            )
    return found


def _rounded(errors: Float[np.ndarray, " observations"], share: float) -> float | None:
    return round(float(np.quantile(errors, share)), 6) if len(errors) else None


def _residuals(
    model: ReadModel,
) -> tuple[
    Float[np.ndarray, " elements"], Bool[np.ndarray, " elements"], Bool[np.ndarray, " elements"]
]:
    """Errors in pixels; whether the point is behind the camera; whether the pixel is outside."""
    num_elements = len(model.track_points)
    errors = np.zeros(num_elements)
    behind, outside = np.zeros(num_elements, bool), np.zeros(num_elements, bool)
    for image_id, own in _elements_by_image(model):
        image = model.images[image_id]
        camera = model.cameras[image.camera_id]
        rotation = rotation_from_quat_xyzw(torch.from_numpy(np.roll(image.quat_wxyz, -1)))
        projected, depth = project_points(
            torch.from_numpy(model.positions[model.track_points[own]]),
            torch.cat([rotation, torch.from_numpy(image.translation)[:, None]], -1),
            torch.from_numpy(camera.intrinsics),
            torch.tensor(camera.radial, dtype=torch.float64),
        )
        observed = image.pixels[model.track_indices[own]]
        errors[own] = np.linalg.norm(projected.numpy() - observed, axis=-1)
        behind[own] = depth.numpy() <= 0
        outside[own] = ((observed < 0) | (observed > camera.size)).any(-1)
    return errors, behind, outside


def _lists_agree(model: ReadModel) -> bool:
    """Every track element is a 2-D point that names its point, and there are no others."""
    named = sum(int((image.point_ids != -1).sum()) for image in model.images.values())
    if named != len(model.track_points):
        return False
    for image_id, own in _elements_by_image(model):
        indices = model.track_indices[own]
        is_repeated = np.bincount(indices).max(initial=0) > 1
        said = model.point_ids[model.track_points[own]]
        if is_repeated or (model.images[image_id].point_ids[indices] != said).any():
            return False
    return True


def _elements_by_image(model: ReadModel) -> Iterator[tuple[int, Int[np.ndarray, " elements"]]]:
    """Every photo that is in a track, with the places of its elements."""
    order = np.argsort(model.track_images, kind="stable")
    image_ids, starts = np.unique(model.track_images[order], return_index=True)
    for image_id, start, end in zip(image_ids, starts, (*starts[1:], len(order)), strict=False):
        yield int(image_id), order[start:end]
