"""Measures by themselves, where protocols on toys do not show a choice that they have."""

import math
from pathlib import Path

import pytest
import torch

from glance3d.errors import InputError
from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.protocols.measures.depth import Depth
from glance3d.evaluation.protocols.measures.measure import Value, macro_mean, micro_mean
from glance3d.evaluation.protocols.measures.points import Points
from glance3d.evaluation.protocols.measures.pose_auc import PoseAuc
from glance3d.evaluation.protocols.measures.trajectory import Trajectory
from glance3d.evaluation.protocols.truth import ScanOfScene, TrueScene
from glance3d.geometry.cameras import unproject_depth
from glance3d.types import Cameras
from tests.evaluation.protocols.drawn import HEIGHT, INTRINSICS, WIDTH, Toy, toy
from tests.evaluation.protocols.fake import in_other_world


def truth_of(scene: Toy) -> TrueScene:
    count = len(scene)
    sizes = torch.tensor([[WIDTH, HEIGHT]] * count)
    cameras = Cameras(scene.cam_from_world, INTRINSICS.expand(count, 3, 3), sizes)
    paths = tuple(Path(f"{view}.png") for view in range(count))
    return TrueScene("toy", paths, cameras, lambda view: scene.depth[view])


def predicted(scene: Toy, depth: torch.Tensor) -> ScenePrediction:
    intrinsics = INTRINSICS.expand(len(scene), 3, 3)
    return ScenePrediction(in_other_world(scene.cam_from_world), intrinsics, tuple(depth.float()))


def values(scores: dict[str, Value]) -> dict[str, float]:
    return {name: one.value for name, one in scores.items()}


def test_means_over_scenes_and_over_all():
    numbers = [Value(1.0, 1.0), Value(4.0, 2.0), Value(math.nan, 5.0)]
    assert macro_mean(numbers) == 2.5
    assert micro_mean(numbers) == 3.0
    assert math.isnan(macro_mean([]))
    assert math.isnan(micro_mean([Value(math.nan, 0.0)]))


def test_depth_is_aligned_by_frame_or_by_scene():
    scene = toy(2, depth=2.0)
    depth = scene.depth.clone()
    depth[1] *= 4
    by_frame = values(Depth(per="frame").score(predicted(scene, depth), truth_of(scene)))
    assert by_frame["depth_absrel_scale_aligned_per_frame"] == 0
    # Ratios 1 and 1/4: the lower median is 1/4, and the first frame ends at a quarter.
    by_scene = values(Depth().score(predicted(scene, depth), truth_of(scene)))
    assert by_scene["depth_absrel_scale_aligned_per_scene"] == pytest.approx(0.375)
    plain = values(Depth("none").score(predicted(scene, depth), truth_of(scene)))
    assert plain["depth_absrel_unaligned"] == pytest.approx(1.5)
    assert plain["depth_delta_125_unaligned"] == pytest.approx(0.5)


def test_fits_of_a_factor_differ():
    """Truth 2 everywhere; predicted 1 on three quarters, 10 on the last."""
    scene = toy(1, depth=2.0)
    depth = torch.where(torch.arange(WIDTH) < 24, 1.0, 10.0).expand(1, HEIGHT, WIDTH)

    def absrel(fit: str) -> float:
        scores = Depth(fit=fit).score(predicted(scene, depth), truth_of(scene))
        return scores["depth_absrel_scale_aligned_per_scene"].value

    assert absrel("median") == pytest.approx(0.25 * 9)  # factor 2
    assert absrel("least-absolute") == pytest.approx(0.75 * 0.9)  # 1/5: the far ones weigh 10 to 3
    factor = (0.75 * 2 + 0.25 * 20) / (0.75 + 25)
    assert absrel("least-squares") == pytest.approx(
        0.75 * (1 - factor / 2) + 0.25 * abs(1 - 5 * factor)
    )


def test_limits_of_depth_and_stricter_ratios():
    scene = toy(1, depth=2.0)
    measure = Depth("none", min_depth=2.0)
    scores = measure.score(predicted(scene, scene.depth), truth_of(scene))
    assert all(math.isnan(value) for value in values(scores).values())
    strict = Depth("none", ratios=(1.03, 1.25))
    numbers = values(strict.score(predicted(scene, 1.1 * scene.depth), truth_of(scene)))
    assert numbers["depth_delta_103_unaligned"] == 0
    assert numbers["depth_delta_125_unaligned"] == 1
    assert numbers["depth_rmse_unaligned"] == pytest.approx(0.2, abs=1e-6)


def test_frames_without_a_pose_are_said_and_left_out():
    scene = toy(4)
    prediction = predicted(scene, scene.depth)
    prediction.cam_from_world[3] = torch.nan
    numbers = values(Trajectory().score(prediction, truth_of(scene)))
    assert numbers["posed_share"] == 0.75
    assert numbers["ate_rmse_sim3_aligned"] == pytest.approx(0, abs=1e-6)
    prediction.cam_from_world[2] = torch.nan
    numbers = values(Trajectory().score(prediction, truth_of(scene)))
    assert numbers["posed_share"] == 0.5
    assert math.isnan(numbers["ate_sim3_scale"])
    exact = values(PoseAuc((5,), "exact").score(prediction, truth_of(scene)))
    assert exact["pose_auc_at_5deg"] == pytest.approx(1 / 6, abs=1e-3)


def test_a_step_that_turns_too_far_is_an_error_of_rpe():
    scene = toy(4)
    prediction = predicted(scene, scene.depth)
    half = torch.tensor(6.0).deg2rad() / 2
    angle = 2 * half
    turn = torch.tensor(
        [[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]],
        dtype=torch.float64,
    )
    prediction.cam_from_world[0] = turn @ prediction.cam_from_world[0]
    numbers = values(Trajectory().score(prediction, truth_of(scene)))
    assert numbers["rpe_rotation_deg_rmse"] == pytest.approx(6 / math.sqrt(3), abs=1e-4)
    assert numbers["ate_rmse_sim3_aligned"] == pytest.approx(0, abs=1e-6)


def slanted(scene: Toy) -> Toy:
    """Depth that grows by a tenth from column to column: a plane that is tilted in each view."""
    columns = (torch.arange(WIDTH) + 0.5 - WIDTH / 2) / float(INTRINSICS[0, 0])
    return Toy(scene.cam_from_world, (2 / (1 - columns)).expand(len(scene), HEIGHT, WIDTH))


def test_normals_of_a_tilted_plane_disagree_by_its_angle():
    """The plane z = 2 + x is tilted by 45 degrees against z = const; both are seen."""
    flat, tilted = toy(3, side=50.0), slanted(toy(3, side=50.0))
    measure = Points("depth", "cameras", pixel_step=2, normals=True)
    numbers = values(measure.score(predicted(flat, 2 * flat.depth), truth_of(tilted)))
    assert numbers["normal_consistency"] == pytest.approx(math.cos(math.pi / 4), abs=1e-3)
    same = values(measure.score(predicted(tilted, 2 * tilted.depth), truth_of(tilted)))
    assert same["normal_consistency"] == pytest.approx(1, abs=1e-6)


def test_clouds_are_thinned_to_the_means_of_cells():
    scene = toy(3, side=50.0)
    truth = truth_of(scene)
    shape = scene.depth.double(), scene.cam_from_world, INTRINSICS.expand(3, 3, 3)
    points = unproject_depth(*shape)[:, 2::4, 2::4].reshape(-1, 3)
    scan = ScanOfScene(torch.cat([points, points + torch.tensor([0, 0, 0.5])]))
    scanned = TrueScene("toy", truth.image_paths, truth.cameras, load_scan=lambda: scan)
    prediction = predicted(scene, 2 * scene.depth)
    numbers = values(Points("scan", "cameras").score(prediction, scanned))
    assert numbers["point_completeness_mean"] == pytest.approx(0.25, abs=1e-5)
    # In cells of 10 all that a camera sees is one point, a quarter away from the predicted one.
    numbers = values(Points("scan", "cameras", cell=10.0).score(prediction, scanned))
    assert numbers["point_accuracy_mean"] == pytest.approx(0.25, abs=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Depth("shift"),
        lambda: Depth("scale-shift", fit="median"),
        lambda: Depth(per="pixel"),
        lambda: Depth(min_depth=3.0, max_depth=2.0),
        lambda: Points("mesh"),
        lambda: Points("scan", "points"),
        lambda: Points(pixel_step=0),
        lambda: PoseAuc(()),
    ],
)
def test_measures_that_make_no_sense_are_refused(make):
    with pytest.raises(InputError):
        make()
