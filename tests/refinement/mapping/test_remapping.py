"""Photos that do not fit what matches say are named."""

from dataclasses import replace

import numpy as np
import torch

from glance3d.refinement.mapping.remapping import find_misfits
from tests.refinement.verified_pairs import graph_of, true_cameras

VIEWS = {0, 1, 2, 3, 4}


def test_a_photo_that_its_matches_contradict_does_not_fit() -> None:
    cameras = true_cameras(5)
    graph = graph_of(cameras)
    assert find_misfits(graph, cameras, VIEWS) == set()
    poses = cameras.cam_from_world.clone()
    poses[2, :, 3] += torch.tensor([0.5, -0.4, 0.3])
    assert find_misfits(graph, replace(cameras, cam_from_world=poses), VIEWS) == {2}


def test_a_smaller_group_that_nothing_connects_does_not_fit() -> None:
    cameras = true_cameras(5)
    graph = graph_of(cameras)
    apart = tuple(pair for pair in graph.pairs if (pair.first < 3) == (pair.second < 3))
    assert find_misfits(replace(graph, pairs=apart), cameras, VIEWS) == {3, 4}


def test_views_without_a_pose_are_not_asked() -> None:
    cameras = true_cameras(5)
    assert find_misfits(graph_of(cameras), cameras, {0, 1, 3}) == set()


def test_photos_whose_pairs_are_half_explained_are_placed_anew_but_not_left_out() -> None:
    cameras = true_cameras(5)
    graph = graph_of(cameras)
    noise = np.random.default_rng(0)
    pairs = []
    for pair in graph.pairs:
        second = pair.pixels_second.copy()
        if (pair.first < 3) != (pair.second < 3):
            second[::5] += noise.uniform(20, 40, second[::5].shape)
            second[1::5] += noise.uniform(20, 40, second[1::5].shape)
        pairs.append(replace(pair, pixels_second=second))
    noisy = replace(graph, pairs=tuple(pairs))
    assert find_misfits(noisy, cameras, VIEWS) == {3, 4}
    assert find_misfits(noisy, cameras, VIEWS, min_share=0.5) == set()
