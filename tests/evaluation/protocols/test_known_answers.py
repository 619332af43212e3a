"""Every protocol on a toy of its own layout, whose numbers are worked out by hand."""

import gzip
import math

import pytest
import torch

from glance3d.evaluation.protocols import RunOptions
from glance3d.geometry.cameras import unproject_depth
from tests.evaluation.protocols import drawn
from tests.evaluation.protocols.drawn import HEIGHT, WIDTH, toy, two_steps
from tests.evaluation.protocols.fake import first_turned, in_other_world

# A camera that is turned by 10.5 degrees spoils its pairs: the bins of 11 to T degrees are left.
BAD = {3: 0.0, 5: 0.0, 15: 5 / 15, 30: 20 / 30}
close = pytest.approx


def auc_of(num_frames: int, limit: int) -> float:
    """Of a scene whose first camera is turned."""
    pairs, bad = num_frames * (num_frames - 1) / 2, num_frames - 1
    return (pairs - bad + bad * BAD[limit]) / pairs


def saddle(poses: torch.Tensor) -> torch.Tensor:
    """Corners of a square moved up and down by half its side, in turn."""
    spoiled = poses.clone()
    spoiled[:, 2, 3] -= 0.5 * torch.tensor([1.0, -1, -1, 1], dtype=torch.float64)
    return spoiled


# Umeyama of that square: scale 0.5 / (0.5 + 0.25), squared errors (1/3)^2 / 2 + (2/3)^2 / 4.
SADDLE = {
    "ate_sim3_scale": 2 / 3,
    "ate_rmse_sim3_aligned": math.sqrt(1 / 6),
    "ate_rmse_se3_aligned": 0.5,
    "posed_share": 1.0,
}


def has(numbers: dict[str, float], wanted: dict[str, float], tolerance: float = 1e-5) -> None:
    for name, value in wanted.items():
        assert numbers[name] == close(value, abs=tolerance), name


def test_re10k_looks_at_ten_frames_of_a_clip(fake, tmp_path):
    drawn.write_re10k(tmp_path, "aaaa", toy(11))
    drawn.write_re10k(tmp_path, "bbbb", toy(10))
    drawn.write_re10k(tmp_path, "tooshort", toy(9))
    result = fake.run("re10k-10", tmp_path, first_turned(10.5))
    assert [len(scene.frames) for scene in result.scenes] == [10, 10]
    assert result.left_out == ("tooshort",)
    has(result.macro("fake"), {f"pose_auc_at_{t}deg": auc_of(10, t) for t in BAD})


def test_co3d_looks_at_the_tested_sequences(fake, tmp_path):
    scenes = {"1_2_3": toy(10), "4_5_6": toy(11), "7_8_9": toy(10)}
    drawn.write_co3d(tmp_path, "apple", scenes, ["1_2_3", "4_5_6"])
    drawn.write_co3d(tmp_path, "bench", {"1_2_3": toy(10)}, ["1_2_3"])
    result = fake.run("co3dv2-10", tmp_path, first_turned(10.5))
    names = [scene.name for scene in result.scenes]
    assert names == ["apple-1_2_3", "apple-4_5_6", "bench-1_2_3"]
    has(result.by_category("fake")["apple"], {"pose_auc_at_30deg": auc_of(10, 30)})
    assert list(result.by_category("fake")) == ["apple", "bench"]


def test_what_a_data_set_calls_its_scenes_is_no_path(fake, tmp_path):
    data = tmp_path / "data"
    drawn.write_co3d(data, "apple", {"x": toy(10)}, ["x"])
    for file in (data / "apple").rglob("*.j*"):
        if file.suffix == ".jgz":
            text = gzip.decompress(file.read_bytes()).replace(
                b'"x"', b'"/../../../../../elsewhere"'
            )
            file.write_bytes(gzip.compress(text))
        else:
            file.write_text(file.read_text().replace('"x"', '"/../../../../../elsewhere"'))
    fake.run("co3dv2-10", data, first_turned(10.5), predictions=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


def test_co3d_depth_counts_where_it_is_known(fake, tmp_path):
    drawn.write_co3d(tmp_path, "apple", {"1_2": toy(10, depth=two_steps(2.0, 4.0))}, ["1_2"])
    result = fake.run("co3dv2-depth", tmp_path, depth=lambda view: (two_steps(2.0, 4.0) - 1) / 2)
    numbers = {
        "depth_absrel_scale_aligned_per_scene": 1 / 6,
        "depth_absrel_scale_shift_aligned_per_scene": 0.0,
        "depth_covered_scale_aligned_per_scene": 1.0,
    }
    has(result.macro("fake"), numbers)
    name = "depth_absrel_scale_aligned_per_scene"
    assert result.scenes[0].values["fake"][name].weight == 10 * (HEIGHT - 2) * WIDTH


def test_eth3d_counts_scenes_and_pairs(fake, tmp_path):
    drawn.write_eth3d(tmp_path, "courtyard", toy(3))
    drawn.write_eth3d(tmp_path, "facade", toy(5))
    result = fake.run("eth3d-100", tmp_path, first_turned(10.5))
    macro = (auc_of(3, 30) + auc_of(5, 30)) / 2
    has(result.macro("fake"), {"pose_auc_at_30deg": macro, "pose_auc_at_3deg": (1 / 3 + 0.6) / 2})
    has(result.micro("fake"), {"pose_auc_at_30deg": 11 / 13, "pose_auc_at_3deg": 7 / 13})
    # Turning about its own centre moves no camera.
    has(result.macro("fake"), {"ate_rmse_sim3_aligned": 0, "ate_sim3_scale": 0.5})


def test_dtu_measures_distances_to_and_from_the_scan(fake, tmp_path):
    scene = toy(4, side=70.0, depth=600.0)
    points = unproject_depth(
        scene.depth.double(), scene.cam_from_world, drawn.INTRINSICS.expand(4, 3, 3)
    )[:, 1::2, 1::2].reshape(-1, 3)
    lifts = (0.0, -3.0, 50.0, 100.0)  # found; 3 mm above; too far to count; below the table
    scan = torch.cat([points + torch.tensor([0.0, 0.0, lift]) for lift in lifts])
    drawn.write_dtu(tmp_path, 24, scene, scan)

    def depth(view: int) -> torch.Tensor:
        values = 2 * scene.depth[view].clone()
        values[1] = 600  # half as far as it is: beyond what was observed
        return values

    result = fake.run("dtu-22", tmp_path, depth=depth)
    assert result.scenes[0].frames[0] == "00000002"
    assert "no data of" in result.deviations[0]
    # The nearest found point to one of the spoiled row is elsewhere: that row's own are left out.
    kept = points.reshape(4, HEIGHT // 2, WIDTH // 2, 3)[:, 1:].reshape(-1, 3)
    gaps = torch.cdist(points, kept).amin(1)
    above = torch.cdist(points + torch.tensor([0.0, 0.0, -3.0]), kept).amin(1)
    counted = torch.cat([gaps, above])
    completeness = float(counted[counted < 20].mean())
    assert 1.5 <= completeness < 4
    numbers = {"point_accuracy_mean": 0, "point_completeness_mean": completeness}
    numbers |= {"point_overall": completeness / 2, "pose_auc_at_3deg": 1.0}
    has(result.macro("fake"), numbers, 2e-3)


def left_half(depth: torch.Tensor) -> torch.Tensor:
    """Predicted in the other world, whose unit is twice as long, and on the left alone."""
    return torch.where(torch.arange(WIDTH) < WIDTH // 2, 2 * depth, 0.0)


def surface_numbers(pitch: float) -> dict[str, float]:
    """Four of eight columns are predicted; the others are 1 to 4 pitches away."""
    return {
        "point_accuracy_mean": 0.0,
        "point_completeness_mean": pitch * (1 + 2 + 3 + 4) / 8,
        "point_completeness_median": pitch / 2,
        "normal_consistency": 1.0,
        "ate_rmse_sim3_aligned": 0.0,
        "ate_rmse_se3_aligned": math.sqrt(50),  # of a square of side 10, twice as large
        "ate_sim3_scale": 0.5,
        "pose_auc_at_3deg": 1.0,
    }


def test_seven_scenes_looks_at_every_eleventh_frame(fake, tmp_path):
    # 34 frames: 0, 11, 22 and 33 count, corners of a square of side 10.
    corners = toy(4, side=10.0)
    poses = torch.eye(3, 4, dtype=torch.float64).repeat(34, 1, 1)
    poses[::11] = corners.cam_from_world
    scene = drawn.Toy(poses, torch.full((34, HEIGHT, WIDTH), 2.0))
    drawn.write_seven_scenes(tmp_path, "chess", 3, scene)
    options = RunOptions(scenes=("chess",))
    result = fake.run(
        "7-scenes-11", tmp_path, depth=lambda v: left_half(scene.depth[v]), options=options
    )
    assert result.scenes[0].name == "chess-seq-03"
    assert result.scenes[0].frames == tuple(f"frame-{n:06d}" for n in (0, 11, 22, 33))
    assert result.deviations == ("only scenes chess",)
    has(result.macro("fake"), surface_numbers(4 * 2.0 / 585))


def test_nrgbd_measures_surfaces_and_depth(fake, tmp_path):
    scene = toy(4, side=10.0)
    drawn.write_nrgbd(tmp_path, "kitchen", scene)
    result = fake.run("nrgbd-50", tmp_path, depth=lambda v: left_half(scene.depth[v]))
    numbers = surface_numbers(4 * 2.0 / drawn.FOCAL)
    numbers["depth_absrel_scale_aligned_per_scene"] = 0.0
    numbers["depth_covered_scale_aligned_per_scene"] = 0.5
    has(result.macro("fake"), numbers)


def test_tum_gives_the_error_by_both_alignments(fake, tmp_path):
    drawn.write_tum(tmp_path, "rgbd_dataset_freiburg1_xyz", toy(4))
    result = fake.run("tum-rgbd-fr1", tmp_path, saddle)
    has(result.macro("fake"), SADDLE)
    # From corner to corner it rises and falls by 1, 0 and 1, in z; lengths are 1, sqrt 2 and 1.
    rpe = [1 / 9 + 4 / 9, 2 / 9, 1 / 9 + 4 / 9]
    wanted = {
        "rpe_rotation_deg_rmse": 0,
        "rpe_translation_rmse_sim3_aligned": math.sqrt(sum(rpe) / 3),
    }
    has(result.macro("fake"), wanted)
    assert "freiburg1_360" in result.deviations[0]


def test_scannet_pairs_have_areas_without_bins(fake, tmp_path):
    pairs = [("scene0707_00", toy(2)), ("scene0707_00", toy(2)), ("scene0708_00", toy(2))]
    drawn.write_scannet_pairs(tmp_path, pairs)

    def backwards(poses: torch.Tensor) -> torch.Tensor:
        spoiled = first_turned(2.5)(poses)
        moved = in_other_world(poses)
        spoiled[1] = moved[1].clone()
        # The second camera stands on the other side of the first.
        centers = -(moved[:, :, :3].mT @ moved[:, :, 3:])[..., 0]
        spoiled[1, :, 3] = -moved[1, :, :3] @ (2 * centers[0] - centers[1])
        return spoiled

    result = fake.run("scannet-1500", tmp_path, backwards)
    wanted = {f"pose_auc_at_{t}deg": 1 - 2.5 / t for t in (5, 10, 20)}
    has(result.micro("fake"), wanted)
    assert [scene.category for scene in result.scenes] == [name for name, _ in pairs]


def check_video(result, frames: int) -> None:
    """Truth is 2 and 4; predicted are (truth - 1) / 2, and nothing in the uppermost row.

    Ratios are 4 and 8/3, of which the lower median is 8/3: aligned depth is 4/3 and 4.
    """
    (scene,) = result.scenes
    assert len(scene.frames) == frames
    numbers = {
        "depth_absrel_scale_aligned_per_scene": 1 / 6,
        "depth_delta_125_scale_aligned_per_scene": 0.5,
        "depth_rmse_scale_aligned_per_scene": math.sqrt(2 / 9),
        "depth_absrel_scale_shift_aligned_per_scene": 0.0,
        "depth_delta_125_scale_shift_aligned_per_scene": 1.0,
        "depth_covered_scale_aligned_per_scene": 1 - 1 / HEIGHT,
    }
    has(result.macro("fake"), numbers)


def predicted_video(view: int) -> torch.Tensor:
    values = (two_steps(2.0, 4.0) - 1) / 2
    return torch.where(torch.arange(HEIGHT)[:, None] > 0, values, 0.0)


def test_sintel_depth(fake, tmp_path):
    drawn.write_sintel(tmp_path, "alley_1", toy(3, depth=two_steps(2.0, 4.0)))
    check_video(fake.run("sintel-depth", tmp_path, depth=predicted_video), 3)


def test_sintel_leaves_the_sky_out(fake, tmp_path):
    truth = two_steps(2.0, 4.0).clone()
    truth[-6:] = 70.0
    drawn.write_sintel(tmp_path, "alley_1", toy(2, depth=truth))
    result = fake.run("sintel-depth", tmp_path, depth=lambda view: two_steps(1.0, 2.0))
    numbers = result.macro("fake")
    has(numbers, {"depth_absrel_scale_aligned_per_scene": 0.0})
    assert result.scenes[0].values["fake"]["depth_absrel_scale_aligned_per_scene"].weight == (
        2 * (HEIGHT - 6) * WIDTH
    )


def test_sintel_pose(fake, tmp_path):
    drawn.write_sintel(tmp_path, "alley_2", toy(4))
    has(fake.run("sintel-pose", tmp_path, saddle).macro("fake"), SADDLE)


def test_bonn_begins_at_the_thirtieth_frame(fake, tmp_path):
    drawn.write_tum(tmp_path, "rgbd_bonn_balloon2", toy(33, depth=two_steps(2.0, 4.0)))
    result = fake.run("bonn-depth", tmp_path, depth=predicted_video)
    check_video(result, 3)
    assert result.scenes[0].frames[0] == "30.000000"


def test_kitti_depth(fake, tmp_path):
    name = "2011_09_26_drive_0002_sync"
    drawn.write_kitti_depth(tmp_path, name, toy(3, depth=two_steps(2.0, 4.0)))
    check_video(fake.run("kitti-depth", tmp_path, depth=predicted_video), 3)


def test_kitti_odometry_is_of_the_colour_camera(fake, tmp_path):
    scene = toy(4)
    drawn.write_kitti_odometry(tmp_path, "04", scene, baseline=0.06)
    seen = []

    def poses(truth: torch.Tensor) -> torch.Tensor:
        seen.append(truth)
        return saddle(truth)

    has(fake.run("kitti-odometry", tmp_path, poses).macro("fake"), SADDLE)
    assert torch.allclose(seen[0], scene.cam_from_world, atol=1e-6)
