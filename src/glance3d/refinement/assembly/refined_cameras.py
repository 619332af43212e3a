"""All views' cameras after registration, and the points that measure them."""

from dataclasses import dataclass, replace

from glance3d.geometry.similarity import Similarity
from glance3d.types import Cameras, Reconstruction, SparsePoints


@dataclass(frozen=True)
class RefinedCameras:
    """All views' cameras in one world, what each rests on, and the measured points; float64.

    ``registered_by`` as in ``ViewTrust``. ``world`` and ``units`` as in ``Reconstruction``.
    ``rectified_shift`` of a rectified pair are the pixels that were added to its disparities; None
    of all other photos.
    """

    cameras: Cameras
    sparse: SparsePoints
    registered_by: tuple[str, ...]
    world: str = "reference camera"
    units: str = "arbitrary"
    rectified_shift: float | None = None

    def moved(self, new_from_world: Similarity) -> "RefinedCameras":
        """The same cameras and points in another world."""
        poses = new_from_world.transform_cameras(self.cameras.cam_from_world)
        points = new_from_world.transform_points(self.sparse.points_world)
        return replace(
            self,
            cameras=replace(self.cameras, cam_from_world=poses),
            sparse=replace(self.sparse, points_world=points),
        )

    def to_scene(self, scene: Reconstruction) -> Reconstruction:
        """The scene with these cameras and points; its depth stays, and no longer fits them."""
        radial = self.cameras.radial
        cameras = replace(
            self.cameras,
            cam_from_world=self.cameras.cam_from_world.float(),
            intrinsics=self.cameras.intrinsics.float(),
            radial=None if radial is None else radial.float(),
        )
        sparse = replace(
            self.sparse,
            points_world=self.sparse.points_world.float(),
            pixels_original=self.sparse.pixels_original.float(),
        )
        return replace(scene, cameras=cameras, sparse=sparse, world=self.world, units=self.units)
