"""Who sees which point of a COLMAP reconstruction where, as tensors, and back."""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glance3d.geometry.cameras import project_points
from glance3d.geometry.transforms import invert
from glance3d.refinement.matching.camera_models import intrinsics_of
from glance3d.refinement.pycolmap_interface import pose_from_rigid


class TrackObservations(NamedTuple):
    """Rows of one observation each, those of a point together; float64.

    ``images`` are COLMAP's ids and ``features`` the numbers of an image's features; ``points``
    count from 0 in the order of ``positions``, which are in the world. ``views`` are rows of the
    cameras: ``poses`` (cam_from_world), ``intrinsics`` and ``radial`` (k1).
    """

    images: Int[Tensor, " observations"]
    features: Int[Tensor, " observations"]
    points: Int[Tensor, " observations"]
    views: Int[Tensor, " observations"]
    pixels: Float[Tensor, "observations 2"]
    positions: Float[Tensor, "points 3"]
    poses: Float[Tensor, "views 3 4"]
    intrinsics: Float[Tensor, "views 3 3"]
    radial: Float[Tensor, " views"]

    def centres(self) -> Float[Tensor, "views 3"]:
        """Where the cameras stand."""
        return invert(self.poses)[..., 3]

    def projected(self) -> Float[Tensor, "observations 2"]:
        """Where the cameras see the points."""
        pixels, _ = project_points(
            self.positions[self.points, None],
            self.poses[self.views],
            self.intrinsics[self.views],
            self.radial[self.views],
        )
        return pixels[:, 0]

    def errors(self) -> Float[Tensor, " observations"]:
        """Reprojection errors in pixels."""
        return (self.pixels - self.projected()).norm(dim=-1)

    def of_points(self, start: int, stop: int) -> tuple[Int[Tensor, " rows"], "TrackObservations"]:
        """Which rows are of points from ``start`` up to ``stop``, and these alone."""
        rows = ((self.points >= start) & (self.points < stop)).nonzero()[:, 0]
        part = self._replace(
            images=self.images[rows],
            features=self.features[rows],
            points=self.points[rows] - start,
            views=self.views[rows],
            pixels=self.pixels[rows],
            positions=self.positions[start:stop],
        )
        return rows, part


def read_observations(reconstruction: Any) -> TrackObservations:
    """All observations of a COLMAP reconstruction's points; its images are the views, by id."""
    image_ids = sorted(reconstruction.reg_image_ids())
    row = {image_id: index for index, image_id in enumerate(image_ids)}
    images = [reconstruction.image(image_id) for image_id in image_ids]
    cameras = [intrinsics_of(reconstruction.camera(image.camera_id)) for image in images]
    positions, table = [], []
    for point_id in sorted(reconstruction.point3D_ids()):
        point = reconstruction.point3D(point_id)
        for element in point.track.elements:
            view = row[element.image_id]
            table.append((element.image_id, element.point2D_idx, len(positions), view))
        positions.append(point.xyz)
    rows = torch.tensor(table, dtype=torch.long).reshape(-1, 4)
    pixels = np.zeros((len(rows), 2))
    for view, image in enumerate(images):
        own, features = (rows[:, 3] == view).numpy(), image.points2D
        pixels[own] = np.array([features[i].xy for i in rows[own, 1].tolist()]).reshape(-1, 2)
    of_images, features, points, views = rows.T.contiguous()
    return TrackObservations(
        of_images,
        features,
        points,
        views,
        torch.from_numpy(pixels),
        torch.from_numpy(np.array(positions).reshape(-1, 3)),
        torch.stack([pose_from_rigid(image.cam_from_world()) for image in images]),
        torch.stack([matrix for matrix, _ in cameras]),
        torch.tensor([radial for _, radial in cameras], dtype=torch.float64),
    )


def write_pixels(
    reconstruction: Any,
    observations: TrackObservations,
    pixels: Float[Tensor, "observations 2"],
    moved: Bool[Tensor, " observations"],
) -> None:
    """Put what moved at its new place in the reconstruction."""
    for image_id in observations.images[moved].unique().tolist():
        features = reconstruction.image(image_id).points2D
        own = moved & (observations.images == image_id)
        for index, xy in zip(observations.features[own].tolist(), pixels[own].numpy(), strict=True):
            features[index].xy = xy
