"""All poses from all pairs at once, and the mapping continued from there.

Incremental mapping believes what it placed first: where matches are thin or repeat, one photo at a
wrong place carries all that come after it. Here rotations are averaged over all pairs, and cameras
and points placed together (Pan et al., "Global structure-from-motion revisited", ECCV 2024; done by
pycolmap). That holds many photos and believes some wrong pairs: so it is where an attempt starts,
which counts, as any, by the matches that it explains.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from glance3d.refinement.mapping.attempt_results import AttemptResult
from glance3d.refinement.mapping.attempts import better_attempt, describe_attempt, run_attempt
from glance3d.refinement.mapping.mapper import StartingPoses
from glance3d.refinement.mapping.remapping import JOINED_ANGLES, attempt_from
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.pycolmap_interface import import_pycolmap, posed_images, poses_of

# Of fewer photos nothing can be averaged.
_FEWEST = 4


def map_globally(
    photos: MatchedPhotos, best: AttemptResult
) -> tuple[AttemptResult, tuple[dict[str, Any], ...]]:
    """The better of the attempt and of one from all pairs at once, with the lenses that it found.

    With a JSON-ready record of the latter, where there was one.
    """
    if best.attempt.fixed_poses:
        return best, ()
    attempt = attempt_from(photos, best, {}, JOINED_ANGLES, "from all pairs at once", 0)
    constant = attempt.setup.assignment.constant_ids
    model = solve_all_pairs(attempt.setup.database, photos.options.seed, bool(constant))
    images = posed_images(model, photos.image_ids)
    if len(images) < _FEWEST:
        return best, ()
    attempt = replace(attempt, start=StartingPoses(poses_of(images), False, JOINED_ANGLES))
    result = run_attempt(photos, attempt)
    record = describe_attempt(photos, attempt, result)
    return best if result is None else better_attempt(best, result), (record,)


def solve_all_pairs(database: Path, seed: int, are_lenses_known: bool) -> Any | None:
    """A COLMAP reconstruction by one solution for all pairs; None where nothing held together.

    Args:
        database: Views, features and verified matches, with lenses to start from.
        seed: Of where cameras and points start, and of RANSAC's samples.
        are_lenses_known: Whether focal lengths stay as they are.
    """
    pycolmap = import_pycolmap()
    options = pycolmap.GlobalPipelineOptions()
    # Several threads draw from the seed in the order in which they come: no two runs are the same.
    options.num_threads = options.mapper.num_threads = 1
    averaging, positioning = options.mapper.rotation_averaging, options.mapper.global_positioning
    for part in (options, options.mapper, averaging, positioning, options.mapper.retriangulation):
        part.random_seed = seed
    options.mapper.bundle_adjustment.refine_focal_length = not are_lenses_known
    folder = database.with_suffix(".global")
    folder.mkdir()
    pycolmap.set_random_seed(seed)
    models = pycolmap.global_mapping(database, folder, folder, options)
    return max(models.values(), key=lambda model: model.num_reg_images(), default=None)
