"""Photos matched pair by pair: the door of matching, and what registration works with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from glance3d.images import Originals
from glance3d.known_cameras import KnownViews
from glance3d.models import Network
from glance3d.multiview.view_graph import ViewGraph
from glance3d.refinement.matching.database import create_database, write_empty_features
from glance3d.refinement.matching.features import extract_features, match_features
from glance3d.refinement.matching.initial_cameras import InitialCameras, collect_initial_cameras
from glance3d.refinement.matching.photo_pairs import PhotoPairs, choose_photo_pairs
from glance3d.refinement.matching.pose_verification import (
    PoseVerification,
    choose_held_poses,
    verify_known_poses,
    verify_network_poses,
    with_one_reading,
)
from glance3d.refinement.matching.view_graph import read_view_graph
from glance3d.refinement.options import RefineOptions
from glance3d.types import Reconstruction


@dataclass(frozen=True)
class MatchedPhotos:
    """The photos of a scene with their verified matches, and what these say of poses.

    ``initial_cameras`` are those to start from. ``database`` is COLMAP's, ``image_ids`` are its
    numbers of the views, in order; ``view_graph`` is what it holds of pairs. ``network_poses`` and
    ``known_poses`` say which of the network's and of known poses the pairs confirm, the latter None
    with fewer than two; ``held_poses`` are the known ones to hold, by view. ``sift_graph`` is the
    view graph of SIFT's matches alone, where a network's are among the others. ``photo_pairs`` are
    those that SIFT's features were matched of, None where they were not.
    """

    scene: Reconstruction
    options: RefineOptions
    initial_cameras: InitialCameras
    database: Path
    image_ids: tuple[int, ...]
    view_graph: ViewGraph
    network_poses: PoseVerification
    known_poses: PoseVerification | None
    held_poses: dict[int, Float[Tensor, "3 4"]]
    sift_graph: ViewGraph | None = None
    photo_pairs: PhotoPairs | None = None

    @property
    def known(self) -> KnownViews | None:
        """What is known of the cameras, in one reading."""
        return self.initial_cameras.known


def match_photos(
    scene: Reconstruction,
    originals: Originals,
    folder: Path,
    options: RefineOptions,
    known: KnownViews | None = None,
    *,
    network: Callable[[], Network] | None = None,
    progress: bool = False,
) -> MatchedPhotos:
    """Find and match SIFT features in every photo; ``folder`` is empty, and takes the database.

    ``network`` gives the network, where there is one: of many photos it says which look alike.
    With ``correspondences="tracks"`` nothing is matched yet: see
    :func:`glance3d.refinement.matching.network_tracks.add_network_tracks`.
    """
    initial_cameras = collect_initial_cameras(scene, options, known)
    database = folder / "database.db"
    image_ids = create_database(database, initial_cameras.assign())
    if options.correspondences == "tracks":
        write_empty_features(database, image_ids)
        pairs = None
    else:
        extract_features(database, originals, options, masks=scene.masks, progress=progress)
        pairs = choose_photo_pairs(scene, originals, network, progress=progress)
        match_features(database, pairs.pairs, options)
    matched = read_matches(scene, options, initial_cameras, database, image_ids)
    return replace(matched, photo_pairs=pairs)


def read_matches(
    scene: Reconstruction,
    options: RefineOptions,
    initial_cameras: InitialCameras,
    database: Path,
    image_ids: Sequence[int],
) -> MatchedPhotos:
    """The photos with the verified matches of a database, and poses compared with these."""
    view_graph, seed = read_view_graph(database, image_ids), options.seed
    initial_cameras = with_one_reading(initial_cameras, view_graph, seed)
    network_poses = verify_network_poses(view_graph, initial_cameras, seed)
    known_poses = verify_known_poses(view_graph, initial_cameras, seed)
    return MatchedPhotos(
        scene,
        options,
        initial_cameras,
        database,
        tuple(image_ids),
        view_graph,
        network_poses,
        known_poses,
        choose_held_poses(initial_cameras, known_poses),
    )
