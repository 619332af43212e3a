"""Predictions in another frame and at another scale."""

from dataclasses import replace

import torch

from glance3d.geometry.pose_encoding import encode_pose
from glance3d.geometry.similarity import Similarity
from glance3d.types import Predictions


def moved(predictions: Predictions, a_from_b: Similarity) -> Predictions:
    """A window's predictions in frame a, at its scale. Fields of view stay; rays are not moved."""
    if a_from_b.is_identity:
        return predictions
    cam_from_world, intrinsics = predictions.cameras()
    cam_from_a = a_from_b.transform_cameras(cam_from_world.double()).float()
    encoded = encode_pose(cam_from_a, intrinsics, *predictions.image_size)
    depth, points, pose_enc = predictions.depth, predictions.points_world, predictions.pose_enc
    return replace(
        predictions,
        pose_enc=None if pose_enc is None else torch.cat([encoded[..., :7], pose_enc[..., 7:]], -1),
        cam_from_world=None if predictions.cam_from_world is None else cam_from_a,
        depth=None if depth is None else depth * a_from_b.scale,
        points_world=None if points is None else a_from_b.transform_points(points.double()).float(),
    )
