"""Photos matched pair by pair: the door of matching, and what registration works with."""

from dataclasses import dataclass, replace
from pathlib import Path

from glance3d.images import Originals
from glance3d.known_cameras import KnownViews, agreement_with_poses, settle_reading
from glance3d.multiview.view_graph import ViewGraph
from glance3d.refinement.matching.database import create_database, write_empty_features
from glance3d.refinement.matching.features import extract_features, match_features
from glance3d.refinement.matching.initial_cameras import InitialCameras, collect_initial_cameras
from glance3d.refinement.matching.pose_verification import verify_known_poses
from glance3d.refinement.matching.view_graph import read_view_graph
from glance3d.refinement.options import RefineOptions
from glance3d.types import Reconstruction


@dataclass(frozen=True)
class MatchedPhotos:
    """The photos of a scene with their verified matches.

    ``database`` is COLMAP's, ``image_ids`` are its numbers of the views, in order; ``view_graph``
    is what it holds of pairs. ``initial_cameras`` are those to start from.
    """

    scene: Reconstruction
    options: RefineOptions
    initial_cameras: InitialCameras
    database: Path
    image_ids: tuple[int, ...]
    view_graph: ViewGraph

    @property
    def known(self) -> KnownViews | None:
        """What is known of the cameras, in one reading."""
        return self.initial_cameras.known

    @property
    def folder(self) -> Path:
        """Where the database is, and where attempts may put theirs."""
        return self.database.parent


def match_photos(
    scene: Reconstruction,
    originals: Originals,
    folder: Path,
    options: RefineOptions,
    known: KnownViews | None = None,
    *,
    progress: bool = False,
) -> MatchedPhotos:
    """Find and match SIFT features in every photo; ``folder`` is empty, and takes the database.

    With ``correspondences="tracks"`` nothing is matched yet: see
    :func:`glance3d.refinement.matching.network_tracks.add_network_tracks`.
    """
    initial_cameras = collect_initial_cameras(scene, options, known)
    database = folder / "database.db"
    image_ids = create_database(database, initial_cameras.assign())
    if options.correspondences == "tracks":
        write_empty_features(database, image_ids)
    else:
        extract_features(database, originals, options, masks=scene.masks, progress=progress)
        match_features(database, scene.num_views, options)
    view_graph = read_view_graph(database, image_ids)
    settled = _with_one_reading(initial_cameras, view_graph, options.seed)
    return MatchedPhotos(scene, options, settled, database, tuple(image_ids), view_graph)


def _with_one_reading(
    initial_cameras: InitialCameras, view_graph: ViewGraph, seed: int
) -> InitialCameras:
    """Known cameras of stored or of upright pixels, where sizes cannot tell: as the matches say."""
    if initial_cameras.known is None:
        return initial_cameras

    def num_agreeing_pairs(reading: KnownViews) -> int:
        verified = verify_known_poses(view_graph, replace(initial_cameras, known=reading), seed)
        return 0 if verified is None else verified.num_agreeing_pairs

    agreement = agreement_with_poses(initial_cameras.scene)
    known = settle_reading(initial_cameras.known, num_agreeing_pairs, agreement)
    return replace(initial_cameras, known=known)
