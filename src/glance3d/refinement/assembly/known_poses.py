"""Known poses after refinement: how far the photos agree with them."""

from glance3d.known_cameras import PoseDisagreement, measure_disagreement
from glance3d.refinement.mapping.registration import Registration
from glance3d.types import Reconstruction


def compare_known_poses(
    scene: Reconstruction, registration: Registration
) -> PoseDisagreement | None:
    """Known poses beside those of the refined scene; None where no pose is known."""
    known = registration.photos.known
    if known is None or not bool(known.has_pose.any()):
        return None
    return measure_disagreement(
        scene.names, known.cam_from_world, scene.cameras.cam_from_world.double()
    )


def contradicted_views(
    registration: Registration, disagreement: PoseDisagreement | None
) -> set[int]:
    """Views whose known poses are not what the photos show.

    They differ from the refined ones, or pairs of photos contradicted them before.
    """
    if disagreement is None:
        return set()
    photos = registration.photos
    differing = {photos.scene.names.index(name) for name in disagreement.contradicting}
    by_pairs = photos.known_poses
    return differing | set(() if by_pairs is None else by_pairs.contradicted)
