"""On a COLMAP model: observations move on the photos, and cameras come nearer to the truth."""

import pycolmap
import pytest
import torch

from glance3d.geometry.rotations import rotation_angle
from glance3d.images import Originals
from glance3d.refinement.mapping.bundle_adjustment import adjust_until_converged
from glance3d.refinement.pycolmap_interface import pose_from_rigid, rigid_from_pose
from glance3d.refinement.tracks.observations import read_observations
from glance3d.refinement.tracks.refine_tracks import refine_tracks
from tests.refinement.rendered import FOCAL, SIZE, Room, arc, build_scene
from tests.refinement.tracks.drawn_tracks import MAX_ERROR, DrawnTracks, room_with_noise

IMAGE_IDS = (7, 8, 9, 10)


@pytest.fixture(scope="module")
def drawn() -> DrawnTracks:
    return room_with_noise()


def model_of(drawn: DrawnTracks) -> pycolmap.Reconstruction:
    """Its views, true but for the observations, under the numbers that a database gave them."""
    observations, model = drawn.observations, pycolmap.Reconstruction()
    params = [FOCAL, FOCAL, SIZE[0] / 2, SIZE[1] / 2]
    camera = pycolmap.Camera(
        model="PINHOLE", width=SIZE[0], height=SIZE[1], params=params, camera_id=1
    )
    model.add_camera_with_trivial_rig(camera)
    tracks = [pycolmap.Track() for _ in observations.positions]
    for view, pose in enumerate(observations.poses):
        own = observations.views == view
        image = pycolmap.Image(f"{view}.png", camera_id=1, image_id=IMAGE_IDS[view])
        image.points2D = [pycolmap.Point2D(xy) for xy in observations.pixels[own].numpy()]
        model.add_image_with_trivial_frame(image, rigid_from_pose(pose))
        for feature, point in enumerate(observations.points[own].tolist()):
            tracks[point].add_element(IMAGE_IDS[view], feature)
    for position, track in zip(observations.positions.numpy(), tracks, strict=True):
        model.add_point3D(position, track)
    return model


def originals_of(drawn: DrawnTracks) -> Originals:
    poses = arc(len(drawn.photos))
    return Originals(build_scene([Room()] * len(poses), poses), photos=list(drawn.photos))


def errors_after(model: pycolmap.Reconstruction, drawn: DrawnTracks) -> float:
    """Degrees between the rotations of neighbours and the true ones, the largest."""
    adjust_until_converged(model, max_error=MAX_ERROR, min_angle=0.5, constant_cameras=[1])
    poses = torch.stack([pose_from_rigid(model.image(i).cam_from_world()) for i in IMAGE_IDS])
    found, true = (p[1:, :, :3] @ p[:-1, :, :3].mT for p in (poses, drawn.observations.poses))
    return float(torch.rad2deg(rotation_angle(found, true)).max())


def test_observations_are_read_as_they_are(drawn: DrawnTracks) -> None:
    model, expected = model_of(drawn), drawn.observations
    model.deregister_frame(model.image(IMAGE_IDS[1]).frame_id)
    read, left = read_observations(model), expected.views != 1
    assert torch.equal(read.images.unique(), torch.tensor([7, 9, 10]))
    # What only two views saw, one of which has gone, is no point any more.
    count = torch.bincount(expected.points[left], minlength=len(expected.positions))
    assert len(read.positions) == int((count >= 2).sum())
    for row in range(0, len(read.pixels), 17):
        view = IMAGE_IDS.index(int(read.images[row]))
        number = (expected.views == view).nonzero()[int(read.features[row]), 0]
        assert torch.equal(read.pixels[row], expected.pixels[number])
        assert torch.equal(
            read.positions[read.points[row]], expected.positions[expected.points[number]]
        )
        assert torch.allclose(read.poses[read.views[row]], expected.poses[view])


def test_cameras_come_nearer_to_the_truth(drawn: DrawnTracks) -> None:
    plain, refined = model_of(drawn), model_of(drawn)
    found = refine_tracks(
        refined, IMAGE_IDS, originals_of(drawn), max_error=MAX_ERROR, max_image_size=1600
    )
    assert found.num_observations == len(drawn.true)
    assert 0.8 * drawn.others().sum() < found.num_moved <= drawn.others().sum()
    assert 0.6 < found.median_move < 1.5
    assert errors_after(refined, drawn) < 0.5 * errors_after(plain, drawn)


def test_photos_are_looked_at_no_larger_than_asked(drawn: DrawnTracks) -> None:
    model = model_of(drawn)
    found = refine_tracks(
        model, IMAGE_IDS, originals_of(drawn), max_error=MAX_ERROR, max_image_size=200
    )
    assert found.num_moved > 0.5 * drawn.others().sum()
    pixels = read_observations(model).pixels
    order = read_observations(model_of(drawn)).pixels
    assert 0.4 < (pixels - order).norm(dim=-1)[pixels.ne(order).any(-1)].median() < 1.5
