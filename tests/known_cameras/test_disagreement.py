"""Known and estimated poses: what contradicts is named, and does not bend the rest."""

import math

import pytest
import torch

from glance3d.errors import InputError
from glance3d.geometry.rotations import so3_exp
from glance3d.geometry.similarity import Similarity
from glance3d.known_cameras import measure_disagreement

NAMES = [f"{number}.jpg" for number in range(10)]


def draw(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


WORLD = Similarity(0.2, so3_exp(draw(1, 3)), draw(2, 3))


def poses(num=10):
    rotations = so3_exp(draw(3, num, 3))
    return torch.cat([rotations, -rotations @ draw(4, num, 3, 1)], -1)


def turned(pose, degrees):
    axis = torch.tensor([0.0, math.radians(degrees), 0.0]).double()
    return so3_exp(axis) @ pose


def test_the_same_poses_in_two_worlds_agree():
    known = poses()
    disagreement = measure_disagreement(NAMES, known, WORLD.transform_cameras(known).float())
    assert disagreement.contradicting == ()
    assert disagreement.known_from_estimated.scale == pytest.approx(5.0, rel=1e-5)
    assert max(view.rotation_deg for view in disagreement.views) < 1e-3
    assert max(view.distance_of_spread for view in disagreement.views) < 1e-5


def test_what_contradicts_is_named_and_measured():
    known = poses()
    estimated = WORLD.transform_cameras(known)
    wrong = known.clone()
    wrong[2] = turned(known[2], 30)
    wrong[7, :, 3] += torch.tensor([3.0, 0, 0]).double()
    disagreement = measure_disagreement(NAMES, wrong, estimated)
    assert disagreement.contradicting == ("2.jpg", "7.jpg")
    assert disagreement.views[2].rotation_deg == pytest.approx(30, abs=0.1)
    assert disagreement.views[7].distance == pytest.approx(3, abs=0.01)
    assert disagreement.views[0].rotation_deg < 0.1
    record = disagreement.describe()
    assert record["contradicting"] == ["2.jpg", "7.jpg"]
    assert record["views"][2]["verdict"] == "contradicts"


def test_noise_that_all_share_is_no_contradiction():
    known = poses()
    noise = so3_exp(math.radians(4) * draw(5, 10, 3) / math.sqrt(3))
    disagreement = measure_disagreement(NAMES, known, noise @ WORLD.transform_cameras(known))
    assert disagreement.contradicting == ()
    assert 2 < disagreement.rotation_limit_deg <= 15


def test_only_views_with_both_poses_are_compared():
    known = poses()
    known[::2] = torch.nan
    disagreement = measure_disagreement(NAMES, known, WORLD.transform_cameras(poses()))
    assert [view.name for view in disagreement.views] == NAMES[1::2]
    with pytest.raises(InputError, match="nothing to compare"):
        measure_disagreement(NAMES, known * torch.nan, poses())


def test_two_poses_that_contradict_are_both_named():
    known = poses(2)
    estimated = known.clone()
    estimated[1] = turned(known[1], 80)
    disagreement = measure_disagreement(NAMES[:2], known, estimated)
    assert disagreement.contradicting == ("0.jpg", "1.jpg")


def test_one_pose_and_poses_at_one_place_do_not_crash():
    assert measure_disagreement(NAMES[:1], poses(1), poses(1) * 1.0).contradicting == ()
    still = poses(4)
    still[..., 3] = 0
    assert measure_disagreement(NAMES[:4], still, still).contradicting == ()


def test_poses_that_contradict_throughout_are_reported():
    rotations = so3_exp(3 * draw(9, 10, 3))
    nonsense = torch.cat([rotations, draw(10, 10, 3, 1)], -1)
    disagreement = measure_disagreement(NAMES, poses(), nonsense)
    assert len(disagreement.contradicting) >= 7
