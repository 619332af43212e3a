"""What a place beside some photos of a scene inherits from them: it is no surer than they are."""

from dataclasses import replace

from glance3d.incremental.locating.located_photo import UNCERTAIN, LocatedPhoto
from glance3d.types import Reconstruction

_ESTIMATE = "the scene's own cameras are an estimate, which refine would verify"


def with_doubts_of_scene(photo: LocatedPhoto, scene: Reconstruction) -> LocatedPhoto:
    """A photo that was placed, with what is doubtful about the cameras beside it.

    It is "uncertain" where none of them is good; cameras that nothing has verified are said to be
    an estimate.
    """
    if photo.cam_from_world is None:
        return photo
    views = [scene.names.index(name) for name in photo.seen_beside]
    if scene.trust is None:
        by = scene.registered_by or ("network",) * scene.num_views
        is_known = all(by[view] == "known" for view in views)
        return photo if is_known else replace(photo, reasons=(*photo.reasons, _ESTIMATE))
    beside = [scene.trust[view] for view in views]
    if any(trust.verdict == "good" for trust in beside):
        return photo
    doubt = f"none of the photos beside it has a good camera: {beside[0].reason}"
    return replace(photo, verdict=UNCERTAIN, reasons=(*photo.reasons, doubt))
