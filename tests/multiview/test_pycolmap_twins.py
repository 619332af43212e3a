"""Relative poses, rotation averaging and pose adjustment beside pycolmap's, which go other ways.

pycolmap samples minimal sets for a relative pose, averages rotations by L1 and reweighted least
squares in the tangent space, and adjusts points together with cameras.
"""

import numpy as np
import pycolmap
import pytest
import torch
import torch.nn.functional as F

from glance3d.geometry.rotations import rotation_angle, so3_exp
from glance3d.geometry.transforms import compose, invert
from glance3d.multiview.averaging.rotations import robust_rotation_averaging
from glance3d.multiview.averaging.scene import ScenePoses
from glance3d.multiview.matches import half_diagonal
from glance3d.multiview.pose_adjustment import FocalPrior, adjust_poses
from glance3d.multiview.relative_pose import estimate_relative_poses
from glance3d.multiview.two_view import essential_matrix
from tests.multiview.matched_scene import (
    FOCAL,
    OPTIONS,
    SIZE,
    degrees_between,
    matched_scene,
)

SCENE = matched_scene()
VIEWS = len(SCENE.cameras)


def rigid(pose: torch.Tensor) -> pycolmap.Rigid3d:
    rotation, translation = pose[:, :3].double().numpy(), pose[:, 3].double().numpy()
    return pycolmap.Rigid3d(pycolmap.Rotation3d(rotation), translation)


def matrix(pose: pycolmap.Rigid3d) -> torch.Tensor:
    return torch.from_numpy(np.array(pose.matrix())).float()


def camera(focal: float = FOCAL) -> pycolmap.Camera:
    """Of ``SIZE``, with one focal length, in half diagonals."""
    height, width = SIZE
    pixels = focal * half_diagonal(SIZE)
    return pycolmap.Camera(
        model="SIMPLE_PINHOLE",
        width=width,
        height=height,
        params=[pixels, width / 2, height / 2],
        camera_id=1,
    )


def pixels(places: torch.Tensor) -> np.ndarray:
    """Of places in half diagonals about the centre."""
    return (places * half_diagonal(SIZE) + torch.tensor([SIZE[1], SIZE[0]]) / 2).double().numpy()


def ransac_pose(first: np.ndarray, second: np.ndarray) -> torch.Tensor:
    """``second_from_first`` of matches in pixels; the translation has length one."""
    options = pycolmap.TwoViewGeometryOptions(compute_relative_pose=True)
    options.ransac.random_seed, options.ransac.max_error = 0, 0.5
    matches = np.arange(len(first), dtype=np.uint32)[:, None].repeat(2, axis=1)
    geometry = pycolmap.estimate_calibrated_two_view_geometry(
        camera(), first, camera(), second, matches, options
    )
    return matrix(geometry.cam2_from_cam1)


def empty_reconstruction(focal: float = FOCAL) -> pycolmap.Reconstruction:
    reconstruction = pycolmap.Reconstruction()
    reconstruction.add_camera_with_trivial_rig(camera(focal))
    return reconstruction


def test_essential_matrices_are_pycolmaps() -> None:
    for pose in SCENE.cameras[1:]:
        own = essential_matrix(pose[:, :3], F.normalize(pose[:, 3], dim=0))
        expected = pycolmap.essential_matrix_from_pose(rigid(pose))  # of a unit translation
        torch.testing.assert_close(own, torch.from_numpy(expected).float(), rtol=0, atol=1e-6)


def estimated_and_ransac_poses(noise: float, wrong: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Degrees between both estimates of all pairs: of rotations, of directions."""
    pairs = SCENE.matches(noise=noise, wrong=wrong)
    learned = torch.tensor([0.0, 0, 1, 0, 0, 0, 1, 1, 1]).expand(1, VIEWS, VIEWS, 9)
    focal = torch.tensor([FOCAL])
    poses = estimate_relative_poses(pairs, learned, focal, OPTIONS.relative_pose)
    places = zip(pixels(pairs.first_hd[0]), pixels(pairs.second_hd[0]), strict=True)
    expected = torch.stack([ransac_pose(first, second) for first, second in places])
    return degrees_between(poses.rotation[0], poses.direction[0], expected)


def test_relative_poses_of_exact_matches_are_those_of_ransac() -> None:
    rotation, direction = estimated_and_ransac_poses(noise=0.0, wrong=0.0)
    assert rotation.max() < 0.01
    assert direction.max() < 0.1


def test_relative_poses_are_near_those_of_ransac_where_matches_are_wrong() -> None:
    rotation, direction = estimated_and_ransac_poses(noise=0.001, wrong=0.3)
    assert rotation.median() < 0.3
    assert direction.median() < 0.5
    assert (rotation < 2).float().mean() > 0.9  # a pair may have another minimum


def test_averaged_rotations_are_pycolmaps() -> None:
    pairs = SCENE.matches()
    generator = torch.Generator().manual_seed(3)
    relative = SCENE.relative_poses().rotation.double()
    noise = 0.01 * torch.randn(1, 15, 3, generator=generator, dtype=torch.float64)
    noise[:, ::7] += 0.8  # three pairs are wrong
    relative = relative @ so3_exp(noise)
    trust = torch.ones(1, 15, dtype=torch.float64)
    views, _ = robust_rotation_averaging(pairs, relative, trust, VIEWS, OPTIONS.averaging)

    reconstruction, graph = empty_reconstruction(), pycolmap.PoseGraph()
    for view in range(VIEWS):
        image = pycolmap.Image(name=str(view), camera_id=1, image_id=view + 1)
        reconstruction.add_image_with_trivial_frame(image)
    for pair, (first, second) in enumerate(
        zip(pairs.first[0].tolist(), pairs.second[0].tolist(), strict=True)
    ):
        pose = torch.cat([relative[0, pair], torch.zeros(3, 1)], -1)
        edge = pycolmap.PoseGraphEdge(rigid(pose))
        edge.num_matches = 100
        graph.add_edge(first + 1, second + 1, edge)
    options = pycolmap.RotationEstimatorOptions(random_seed=0)
    assert pycolmap.run_rotation_averaging(options, graph, reconstruction, [])
    twins = torch.stack(
        [matrix(reconstruction.image(view + 1).cam_from_world())[:, :3] for view in range(VIEWS)]
    )
    twins = twins @ twins[0].T
    true = SCENE.cameras[..., :3]
    own = views[0].float()
    assert rotation_angle(own, twins).rad2deg().max() < 0.1
    assert rotation_angle(own, true).max() < 1.1 * rotation_angle(twins, true).max()


def true_centers() -> torch.Tensor:
    return invert(SCENE.cameras)[None, ..., 3]


@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_adjusted_poses_are_those_of_bundle_adjustment(noise: float) -> None:
    """From the same start; bundle adjustment has the points too, which it is given nearly right."""
    generator = torch.Generator().manual_seed(2)
    places = SCENE.places + noise * torch.randn(SCENE.places.shape, generator=generator)
    scene = SCENE._replace(places=places)
    turns, moves = 0.02 * torch.randn(2, VIEWS, 3, generator=generator)
    turns[0] = moves[0] = 0
    rotation = so3_exp(turns) @ SCENE.cameras[..., :3]
    centers = true_centers()[0] + moves
    start = ScenePoses(rotation[None], centers[None], torch.ones(1, 15))
    prior = FocalPrior(torch.tensor([1.05 * FOCAL]), torch.tensor([10.0]))
    poses, focal = adjust_poses(scene.matches(), start, prior, OPTIONS.pose_adjustment)

    reconstruction, seen = empty_reconstruction(1.05 * FOCAL), pixels(places)
    cameras = torch.cat([rotation, -(rotation @ centers[..., None])], -1)
    for view in range(VIEWS):
        image = pycolmap.Image(str(view), seen[view], 1, view + 1)
        reconstruction.add_image_with_trivial_frame(image, rigid(cameras[view]))
    for index, point in enumerate(true_points()):
        xyz = point + 0.02 * torch.randn(3, generator=generator)
        track = pycolmap.Track([pycolmap.TrackElement(view + 1, index) for view in range(VIEWS)])
        reconstruction.add_point3D(xyz.double().numpy(), track)
    options = pycolmap.BundleAdjustmentOptions(refine_principal_point=False)
    pycolmap.bundle_adjustment(reconstruction, options)
    twins = torch.stack(
        [matrix(reconstruction.image(view + 1).cam_from_world()) for view in range(VIEWS)]
    )
    twins = compose(twins, invert(twins[:1]).expand(VIEWS, -1, -1))
    twin_focal = reconstruction.camera(1).focal_length / half_diagonal(SIZE)
    positions = invert(twins)[..., 3:]
    rotation, direction = degrees_between(
        poses.rotation[0], poses.centers[0], torch.cat([twins[..., :3], positions], -1)
    )
    assert rotation.max() < 0.1
    assert direction[1:].max() < 0.2
    assert float(focal) == pytest.approx(twin_focal, rel=1e-3)


def true_points() -> torch.Tensor:
    """Nearest to the rays of all views, in the first camera's frame."""
    ones = torch.ones_like(SCENE.places[..., :1])
    rays = torch.cat([SCENE.places / FOCAL, ones], -1) @ SCENE.cameras[..., :3]
    rays = F.normalize(rays, dim=-1)
    across = torch.eye(3) - rays[..., :, None] * rays[..., None, :]
    right = across @ true_centers()[0, :, None, :, None]
    return torch.linalg.solve(across.sum(0), right.sum(0))[..., 0]
