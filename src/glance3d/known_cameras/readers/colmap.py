"""The cameras of a COLMAP model; each photo's pose says all, so points and rigs are not read."""

from pathlib import Path

from glance3d.formats.colmap.camera_models import NUM_PARAMETERS
from glance3d.formats.colmap.model import ColmapPoses, read_colmap_poses
from glance3d.known_cameras.cameras import KnownCamera, KnownCameras
from glance3d.text import first_names


def read_colmap(path: Path) -> KnownCameras:
    """The cameras of the model at ``path``. Raises ``CamerasError`` that says what is wrong."""
    poses = read_colmap_poses(path)
    lenses = {camera_id: camera.lens() for camera_id, camera in poses.cameras.items()}
    known = []
    for image in poses.images:
        camera, lens = poses.cameras.get(image.camera_id), lenses.get(image.camera_id)
        known.append(
            KnownCamera(
                image.name,
                image.cam_from_world(),
                None if lens is None else lens.intrinsics,
                0.0 if lens is None else lens.radial,
                None if camera is None else camera.size,
            )
        )
    warnings = [
        *poses.warnings,
        *sorted({lens.warning for lens in lenses.values() if lens and lens.warning}),
        *_without_lens(poses),
    ]
    return KnownCameras(
        source=str(poses.folder),
        format="COLMAP",
        cameras=tuple(known),
        world=f"the COLMAP model {poses.folder.name}",
        warnings=tuple(f"{poses.folder}: {warning}" for warning in warnings),
    )


def _without_lens(poses: ColmapPoses) -> list[str]:
    """Why some photos have poses only."""
    missing = sorted({image.camera_id for image in poses.images} - set(poses.cameras))
    models = {camera.model for camera in poses.cameras.values() if camera.lens() is None}
    unknown = sorted(models - set(NUM_PARAMETERS))
    others = sorted(models & set(NUM_PARAMETERS))
    warnings = []
    if missing:
        named = first_names([str(camera_id) for camera_id in missing])
        warnings.append(
            f"the cameras {named} of its photos are not in it: only their poses are used"
        )
    if unknown:
        known = ", ".join(NUM_PARAMETERS)
        warnings.append(
            f"cameras of the model {', '.join(unknown)[:80]} are unknown: only their poses are "
            f"used; known: {known}"
        )
    if others:
        warnings.append(
            f"cameras of the model {', '.join(others)} are no pinholes: only their poses are used; "
            "undistort the photos to use their intrinsics"
        )
    return warnings
