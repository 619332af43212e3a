"""What refinement did, JSON-ready."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from glance3d.known_cameras import measure_disagreement
from glance3d.refinement.assembly.focal_lengths import contradicted_focal_lengths
from glance3d.refinement.assembly.refined_cameras import RefinedCameras
from glance3d.refinement.mapping.registration import Registration
from glance3d.types import Reconstruction


def describe_refinement(
    scene: Reconstruction,
    registration: Registration,
    refined: RefinedCameras,
) -> dict[str, Any]:
    """Options, attempts, who was registered by what, and what a person should be warned of."""
    photos = registration.photos
    verified, known = photos.network_poses, photos.known
    described: dict[str, Any] = {
        "options": asdict(registration.photos.options),
        "attempts": list(registration.attempts),
        "registered_by": dict(zip(scene.names, refined.registered_by, strict=True)),
        "num_registered": sum(by in ("bundle adjustment", "known") for by in refined.registered_by),
        "num_points": len(refined.sparse),
        "num_observations": refined.sparse.num_observations,
        "measured_share": _measured_share(scene),
        "num_cameras": len(set(registration.camera_of_view)),
        "network_poses": {
            "confirmed": [scene.names[view] for view in verified.confirmed],
            "num_agreeing_pairs": verified.num_agreeing_pairs,
            "num_pairs": verified.num_pairs,
        },
    }
    warnings = _warnings(scene, refined)
    warnings += contradicted_focal_lengths(scene, registration)
    if known is not None:
        described["known_cameras"] = known.describe()
        warnings += list(known.warnings)
        if bool(known.has_pose.any()):
            disagreement = measure_disagreement(
                scene.names, known.cam_from_world, scene.cameras.cam_from_world.double()
            )
            described["known_cameras"]["disagreement"] = disagreement.describe()
            warnings += _contradictions(scene, registration, disagreement.contradicting)
    described["warnings"] = warnings
    return described


def _measured_share(scene: Reconstruction) -> float | None:
    """How much of the photos has measured depth; None where nobody measured."""
    if scene.measured is None:
        return None
    return round(float((scene.measured & scene.mask).sum() / scene.mask.sum().clamp(min=1)), 4)


def _warnings(scene: Reconstruction, refined: RefinedCameras) -> list[str]:
    counts = Counter(refined.registered_by)
    kept = [
        name
        for name, by in zip(scene.names, refined.registered_by, strict=True)
        if by in ("similarity", "network")
    ]
    if counts["network"] == scene.num_views:
        return [
            "no two photos have matches enough to measure a camera: all poses are the network's "
            "guess"
        ]
    if kept:
        return [
            f"{len(kept)} of {scene.num_views} photos have too few matches and keep the network's "
            f"guess, moved into the refined frame: {', '.join(kept[:5])}"
            + (" ..." if len(kept) > 5 else "")
        ]
    return []


def _contradictions(
    scene: Reconstruction, registration: Registration, differing: tuple[str, ...]
) -> list[str]:
    """Known poses that the photos contradict, named."""
    verified = registration.photos.known_poses
    named = set(differing)
    if verified is not None:
        named |= {scene.names[view] for view in verified.contradicted}
    if not named:
        return []
    ordered = [name for name in scene.names if name in named]
    return [
        f"the known poses of {', '.join(ordered)} contradict what the photos show, and were not "
        "used to place them"
    ]


def contradicted_views(scene: Reconstruction, registration: Registration) -> set[int]:
    """Views whose given poses are not what the photos show."""
    known = registration.photos.known
    if known is None or not bool(known.has_pose.any()):
        return set()
    differing = measure_disagreement(
        scene.names, known.cam_from_world, scene.cameras.cam_from_world.double()
    ).contradicting
    views = {scene.names.index(name) for name in differing}
    verified = registration.photos.known_poses
    return views | set(() if verified is None else verified.contradicted)
