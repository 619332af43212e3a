"""Which poses the photos confirm: two-view geometry against a guess.

The essential matrix of a pair, estimated from nothing but matches and intrinsics, gives the pair's
relative rotation and direction of translation; a pair agrees where the guess has the same. The
largest group of views that agreeing pairs connect is confirmed; all others are registered again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.rotations import rotation_angle
from glance3d.geometry.transforms import compose, invert
from glance3d.known_cameras import KnownViews, agreement_with_poses, settle_reading
from glance3d.multiview.view_graph import VerifiedPair, ViewGraph, largest_component
from glance3d.refinement.matching.camera_models import build_colmap_camera
from glance3d.refinement.matching.initial_cameras import InitialCameras
from glance3d.refinement.pycolmap_interface import import_pycolmap, pose_from_rigid
from glance3d.types import Cameras

# Pairs with fewer matches decide nothing.
_MIN_MATCHES = 30
# Up to which the rotation and the direction of translation of a pair agree with the guess. The
# direction is the less certain one: it rests on parallax alone.
_MAX_ROTATION_DEG = 8.0
_MAX_DIRECTION_DEG = 25.0
# With less parallax than this the direction between two views is not measured.
_MIN_PARALLAX_DEG = 2.0


@dataclass(frozen=True)
class PoseVerification:
    """What the photos say of a guess, view by view.

    ``confirmed`` views form one connected group; ``contradicted`` ones have pairs enough and
    disagree with most of them.
    """

    confirmed: tuple[int, ...]
    contradicted: tuple[int, ...]
    num_agreeing_pairs: int
    num_pairs: int


def verify_poses(
    view_graph: ViewGraph, cameras: Cameras, views: Sequence[int], seed: int = 0
) -> PoseVerification:
    """Compare the poses of ``views`` with the two-view geometry between them."""
    allowed = set(views)
    pairs = [
        pair
        for pair in view_graph.pairs
        if len(pair) >= _MIN_MATCHES and not pair.flat and {pair.first, pair.second} <= allowed
    ]
    agrees = [_agrees(pair, cameras, seed) for pair in pairs]
    edges = [(p.first, p.second) for p, agree in zip(pairs, agrees, strict=True) if agree]
    confirmed = largest_component(edges)
    contradicted = []
    for view in views:
        # A pair votes for both of its views: a wrong pose loses all its votes, the others one each.
        votes = [a for p, a in zip(pairs, agrees, strict=True) if view in (p.first, p.second)]
        if votes and view not in confirmed and sum(votes) * 2 < len(votes):
            contradicted.append(view)
    return PoseVerification(tuple(sorted(confirmed)), tuple(contradicted), len(edges), len(pairs))


def verify_network_poses(
    view_graph: ViewGraph, initial_cameras: InitialCameras, seed: int
) -> PoseVerification:
    """What the photos say of the network's poses, under the network's intrinsics."""
    scene = initial_cameras.scene
    return verify_poses(view_graph, scene.cameras, range(scene.num_views), seed)


def verify_known_poses(
    view_graph: ViewGraph, initial_cameras: InitialCameras, seed: int
) -> PoseVerification | None:
    """What the photos say of known poses, under the intrinsics that will be used.

    None with fewer than two of them.
    """
    known = initial_cameras.known
    if known is None or int(known.has_pose.sum()) < 2:
        return None
    cameras = initial_cameras.to_cameras()
    poses = torch.where(known.has_pose[:, None, None], known.cam_from_world, cameras.cam_from_world)
    views = known.has_pose.nonzero().squeeze(-1).tolist()
    return verify_poses(view_graph, replace(cameras, cam_from_world=poses), views, seed)


def with_one_reading(
    initial_cameras: InitialCameras, view_graph: ViewGraph, seed: int
) -> InitialCameras:
    """Known cameras of stored or of upright pixels, where sizes cannot tell: as the matches say."""
    if initial_cameras.known is None:
        return initial_cameras

    def num_agreeing_pairs(reading: KnownViews) -> int:
        verified = verify_known_poses(view_graph, replace(initial_cameras, known=reading), seed)
        return 0 if verified is None else verified.num_agreeing_pairs

    agreement = agreement_with_poses(initial_cameras.scene)
    known = settle_reading(initial_cameras.known, num_agreeing_pairs, agreement)
    return replace(initial_cameras, known=known)


def choose_held_poses(
    initial_cameras: InitialCameras, verification: PoseVerification | None
) -> dict[int, Float[Tensor, "3 4"]]:
    """Known poses that the photos do not contradict, by view, if there are two at least."""
    known = initial_cameras.known
    if known is None or verification is None:
        return {}
    views = known.has_pose.nonzero().squeeze(-1).tolist()
    kept = [view for view in views if view not in verification.contradicted]
    return {view: known.cam_from_world[view] for view in kept} if len(kept) > 1 else {}


def _agrees(pair: VerifiedPair, cameras: Cameras, seed: int) -> bool:
    measured = _measure_relative_pose(pair, cameras, seed)
    if measured is None:
        return False
    pose, parallax = measured
    poses = cameras.cam_from_world.double()
    guess = compose(poses[pair.second], invert(poses[pair.first]))  # second_from_first
    if torch.rad2deg(rotation_angle(guess[:, :3], pose[:, :3])) > _MAX_ROTATION_DEG:
        return False
    if parallax < _MIN_PARALLAX_DEG:
        return True
    # Both translations are known up to scale: only their directions are compared.
    cosine = torch.nn.functional.cosine_similarity(guess[:, 3], pose[:, 3], dim=0)
    return bool(torch.rad2deg(cosine.clamp(-1, 1).acos()) < _MAX_DIRECTION_DEG)


def _measure_relative_pose(
    pair: VerifiedPair, cameras: Cameras, seed: int
) -> tuple[Float[Tensor, "3 4"], float] | None:
    """``second_from_first`` of the essential matrix, and the median parallax in degrees.

    None where fewer than half of the matches are inliers of it.
    """
    pycolmap = import_pycolmap()
    sizes = cameras.image_sizes.tolist()
    first, second = (
        build_colmap_camera(tuple(sizes[view]), 1.0, "pinhole", known=cameras.intrinsics[view])
        for view in (pair.first, pair.second)
    )
    matches = np.arange(len(pair), dtype=np.uint32)[:, None].repeat(2, axis=1)
    options = pycolmap.TwoViewGeometryOptions()
    options.compute_relative_pose = True
    options.ransac.random_seed = seed
    geometry = pycolmap.estimate_calibrated_two_view_geometry(
        first, pair.pixels_first, second, pair.pixels_second, matches, options
    )
    if geometry.cam2_from_cam1 is None or len(geometry.inlier_matches) < len(pair) / 2:
        return None
    return pose_from_rigid(geometry.cam2_from_cam1), math.degrees(geometry.tri_angle)
