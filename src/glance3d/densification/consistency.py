"""Floating points found: pixels whose depth the other views contradict."""

from dataclasses import replace

import torch

from glance3d.errors import InputError
from glance3d.geometry.filter import usable_depth
from glance3d.geometry.free_space import find_consistent
from glance3d.types import Reconstruction

_GUESSED_TOLERANCE, _MEASURED_TOLERANCE = 0.1, 0.03


def mark_consistent(
    scene: Reconstruction,
    *,
    tolerance: float | None = None,
    min_contradictions: int = 2,
    max_witnesses: int = 10,
) -> Reconstruction:
    """The scene with ``consistent`` set: False where other views see through a pixel's point.

    Up to ``max_witnesses`` views that look at the same place are asked. A pixel is inconsistent if
    at least ``min_contradictions`` of them (all of them, where fewer could say something) see a
    surface more than ``tolerance`` farther away where its point should be, and none sees a surface
    within ``tolerance`` of it. Views in which the point is hidden or outside say nothing.

    Only depth that was measured is a witness where the scene knows which was
    (``scene.measured``): a guess contradicts nobody. ``tolerance`` is then 3 % unless given, as
    measured depth is good to that, and else 10 %. A scene without depth comes back as it is.
    """
    if tolerance is None:
        tolerance = _GUESSED_TOLERANCE if scene.measured is None else _MEASURED_TOLERANCE
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance must be between 0 and 1 (a relative depth), got {tolerance}")
    if scene.depth is None or scene.points_world is None:
        return scene
    cameras = scene.cameras.on_grid(scene.placements)
    usable = usable_depth(scene.depth) & scene.mask & scene.points_world.isfinite().all(-1)
    witnessing = usable if scene.measured is None else usable & scene.measured
    consistent = find_consistent(
        scene.points_world,
        usable,
        torch.where(witnessing, scene.depth, 0.0),
        cameras.cam_from_world,
        cameras.intrinsics,
        cameras.radial,
        tolerance,
        min_contradictions,
        max_witnesses,
    )
    return replace(scene, consistent=consistent & scene.mask)
