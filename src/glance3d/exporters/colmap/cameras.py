"""Which COLMAP cameras describe a scene's photos, in the simplest model that does.

Photos that one physical camera took share one COLMAP camera, so that bundle adjustment has one set
of intrinsics to refine and not one a photo.
"""

from glance3d.formats.colmap.records import ColmapCamera
from glance3d.types import Cameras, Reconstruction

# One focal length stands for both where they differ by less than a float32 tells.
_SQUARE = 1e-6
# Distortion that moves no pixel of the photo by more than this is below what tools can see.
_NOTABLE_PIXELS = 0.5


def colmap_cameras(scene: Reconstruction) -> tuple[dict[int, ColmapCamera], list[int]]:
    """The scene's COLMAP cameras by their ids, from 1, and for each view the id of its own.

    Views are joined if ``Cameras.camera_ids`` says so and they have the very same size, intrinsics
    and distortion: a camera's portrait and landscape photos cannot be one COLMAP camera.
    """
    camera_ids = scene.cameras.camera_ids
    shared_ids = range(scene.num_views) if camera_ids is None else camera_ids.tolist()
    numbered: dict[tuple[int, ColmapCamera], int] = {}
    of_views = [
        numbered.setdefault((number, _camera_of(scene, view)), len(numbered) + 1)
        for view, number in enumerate(shared_ids)
    ]
    return {camera_id: camera for (_, camera), camera_id in numbered.items()}, of_views


def has_notable_distortion(cameras: Cameras) -> bool:
    """Whether any photo's corners are bent by more than half a pixel."""
    if cameras.radial is None:
        return False
    half = cameras.image_sizes.to(cameras.intrinsics) / 2
    focal = cameras.intrinsics.diagonal(dim1=-2, dim2=-1)[:, :2]
    # k1 moves the corner, at the distance r from the axis (in focal lengths), by k1 r^3.
    shift = cameras.radial.abs() * (half / focal).norm(dim=-1) ** 3 * focal.amax(-1)
    return bool((shift > _NOTABLE_PIXELS).any())


def _camera_of(scene: Reconstruction, view: int) -> ColmapCamera:
    matrix = scene.cameras.intrinsics[view].double()
    (fx, fy), (cx, cy) = matrix.diagonal()[:2].tolist(), matrix[:2, 2].tolist()
    radial = 0.0 if scene.cameras.radial is None else scene.cameras.radial[view].double().item()
    size, is_square = scene.placements[view].original_size, abs(fx - fy) <= _SQUARE * fx
    if radial == 0:
        if is_square:
            return ColmapCamera("SIMPLE_PINHOLE", size, (fx, cx, cy))
        return ColmapCamera("PINHOLE", size, (fx, fy, cx, cy))
    if is_square:
        return ColmapCamera("SIMPLE_RADIAL", size, (fx, cx, cy, radial))
    return ColmapCamera("OPENCV", size, (fx, fy, cx, cy, radial, 0.0, 0.0, 0.0))
