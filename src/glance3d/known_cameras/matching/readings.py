"""Decide whether known cameras are of the upright photos or of their stored pixels.

See :mod:`glance3d.known_cameras.matching.orientation`. Both readings are compared with independent
data: the matches between the photos, or poses that were estimated from them.
"""

from collections.abc import Callable
from dataclasses import replace

from glance3d.errors import InputError
from glance3d.known_cameras.disagreement import measure_disagreement
from glance3d.known_cameras.sentences import some
from glance3d.known_cameras.views import KnownViews
from glance3d.types import Reconstruction

#: A score of a reading; equal for both readings if it cannot decide.
Agreement = Callable[[KnownViews], int]


def settle_by_poses(views: KnownViews, scene: Reconstruction) -> KnownViews:
    """One reading of cameras that have two: the one that the scene's poses agree with."""
    return settle_reading(views, agreement_with_poses(scene))


def settle_reading(views: KnownViews, *agreements: Agreement) -> KnownViews:
    """One reading of cameras that have two; the first agreement that prefers one decides.

    Where none does, the cameras are taken as of the upright photos, ``ambiguous`` stays, and a
    warning names them.
    """
    stored = views.as_stored
    if stored is None:
        return views
    for agreement in agreements:
        for_upright, for_stored = agreement(views), agreement(stored)
        if for_upright != for_stored:
            return (
                replace(views, ambiguous=(), as_stored=None) if for_upright > for_stored else stored
            )
    warning = (
        f"whether the known cameras of {some(views.ambiguous)} are of the upright photos or of "
        "their pixels as they are stored (EXIF orientation) cannot be told by their sizes, nor by "
        "the photos: they are taken as upright; refine with more photos, or turn the pixels"
    )
    return replace(views, as_stored=None, warnings=(*views.warnings, warning))


def agreement_with_poses(scene: Reconstruction) -> Agreement:
    """The number of photos whose known pose agrees with the scene's, if most of them do."""

    def count(views: KnownViews) -> int:
        try:
            compared = measure_disagreement(
                views.names, views.cam_from_world, scene.cameras.cam_from_world
            )
        except InputError:
            return 0
        num_agreeing = len(compared.views) - len(compared.contradicting)
        # A few poses agree with anything: the comparison chooses where they meet.
        return num_agreeing if num_agreeing * 2 > len(compared.views) else 0

    return count
