"""What is known beforehand of a photo's camera: by the scene, by its file, or nothing."""

from glance3d.incremental.locating.absolute_pose import CameraGuess
from glance3d.refinement.matching.camera_models import build_colmap_camera, default_focal
from glance3d.types import ImageBatch, PhotoMetadata, Reconstruction

_PINHOLE = "pinhole"


def camera_of_view(scene: Reconstruction, view: int) -> CameraGuess:
    """The camera of one of the scene's photos, as it stands there."""
    cameras = scene.cameras
    camera = build_colmap_camera(
        scene.placements[view].original_size,
        1.0,
        _PINHOLE,
        known=cameras.intrinsics[view],
        known_radial=0.0 if cameras.radial is None else float(cameras.radial[view]),
    )
    return CameraGuess(camera, "scene", is_known=True)


def guess_cameras(scene: Reconstruction, photos: ImageBatch, photo: int) -> list[CameraGuess]:
    """The surest first; the last has a free focal length.

    A camera that the scene seems to have; what the file states; nothing.
    """
    size = photos.placements[photo].original_size
    own = photos.metadata[photo] if photos.metadata else PhotoMetadata()
    guesses = []
    view = _view_of_same_camera(scene, own, size)
    if view is not None:
        guesses.append(camera_of_view(scene, view))
    stated = own.focal_length(size)
    if stated is not None:
        camera = build_colmap_camera(size, stated, _PINHOLE, is_prior=True)
        guesses.append(CameraGuess(camera, "exif"))
    free = build_colmap_camera(size, default_focal(size), _PINHOLE)
    return [*guesses, CameraGuess(free, "matches")]


def _view_of_same_camera(
    scene: Reconstruction, own: PhotoMetadata, size: tuple[int, int]
) -> int | None:
    """A view whose file names the same camera, or none as this photo's, and of the same size."""
    for view in range(scene.num_views):
        theirs = scene.metadata[view] if scene.metadata else PhotoMetadata()
        same = own.camera == theirs.camera and own.focal_35mm == theirs.focal_35mm
        if same and scene.placements[view].original_size == size:
            return view
    return None
