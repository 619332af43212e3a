"""What registration works with: the matched photos, and databases with the cameras to be tried."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from glance3d.images import Originals
from glance3d.known_cameras import KnownViews
from glance3d.refinement.matching.camera_models import (
    build_colmap_camera,
    default_focal,
    intrinsics_of,
    network_focal,
)
from glance3d.refinement.matching.features import build_database, copy_with_cameras, match_features
from glance3d.refinement.matching.shared_cameras import shared_camera_ids
from glance3d.refinement.matching.view_graph import ViewGraph, read_view_graph
from glance3d.refinement.options import RefineOptions
from glance3d.types import Cameras, Reconstruction


@dataclass(frozen=True)
class CameraSetup:
    """A database whose views have certain cameras: which view has which, which are known."""

    database: Path
    camera_of_view: tuple[int, ...]
    cameras: tuple[Any, ...]
    constant: tuple[int, ...]

    @property
    def is_shared(self) -> bool:
        """Whether any two views have one camera."""
        return len(self.cameras) < len(self.camera_of_view)


@dataclass(frozen=True)
class MatchedPhotos:
    """The matched photos of a scene in a folder of their own."""

    scene: Reconstruction
    options: RefineOptions
    known: KnownViews | None
    folder: Path
    matched: Path
    image_ids: tuple[int, ...]
    graph: ViewGraph
    groups: tuple[int, ...]

    def set_up(
        self, name: str, *, own_cameras: bool = False, trust_network: bool = False
    ) -> CameraSetup:
        """A database with these cameras: each view its own or shared, starting from whose focal."""
        groups = range(self.scene.num_views) if own_cameras else self.groups
        camera_of_view, cameras, constant = self.cameras(groups, trust_network)
        path = self.matched.with_name(f"{self.matched.stem}-{name}.db")
        copy_with_cameras(self.matched, path, cameras, camera_of_view)
        ids = tuple(cameras[index].camera_id for index in constant)
        return CameraSetup(path, tuple(camera_of_view), tuple(cameras), ids)

    def cameras(
        self, groups: Sequence[int], trust_network: bool = False
    ) -> tuple[list[int], list[Any], list[int]]:
        """For each view the index of its camera, the cameras, and the indices of known ones."""
        return _cameras(self, groups, trust_network)

    def with_matches(self, matched: Path, graph: ViewGraph) -> "MatchedPhotos":
        """The same photos with other matches."""
        return replace(self, matched=matched, graph=graph)

    def starting_cameras(self) -> Cameras:
        """The network's poses with what is known of intrinsics, or their first guess."""
        camera_of_view, cameras, _ = self.cameras(self.groups)
        matrices = torch.stack([intrinsics_of(cameras[index])[0] for index in camera_of_view])
        return replace(self.scene.cameras, intrinsics=matrices)


def match_photos(
    scene: Reconstruction,
    originals: Originals,
    folder: Path,
    options: RefineOptions,
    known: KnownViews | None,
    *,
    progress: bool = False,
) -> MatchedPhotos:
    """Find and match features in every photo."""
    groups = shared_camera_ids(scene, options.camera)
    if known is not None:  # what is known of one photo's camera is not adjusted with the others
        has = known.has_intrinsics.tolist()
        groups = [-1 - view if has[view] else group for view, group in enumerate(groups)]
    shop = MatchedPhotos(scene, options, known, folder, folder, (), ViewGraph(0, ()), tuple(groups))
    camera_of_view, cameras, _ = shop.cameras(groups)
    database, image_ids = build_database(
        folder,
        originals,
        cameras,
        camera_of_view,
        options,
        masks=scene.masks,
        progress=progress,
    )
    if options.correspondences != "tracks":
        match_features(database, scene.num_views, options)
    graph = read_view_graph(database, image_ids)
    return replace(shop, matched=database, image_ids=tuple(image_ids), graph=graph)


def _cameras(
    shop: MatchedPhotos, groups: Sequence[int], trust_network: bool
) -> tuple[list[int], list[Any], list[int]]:
    """For each view the index of its camera, the cameras, and the indices of known ones."""
    order = list(dict.fromkeys(groups))
    camera_of_view = [order.index(group) for group in groups]
    cameras, constant = [], []
    for index in range(len(order)):
        views = [view for view, camera in enumerate(camera_of_view) if camera == index]
        camera, is_known = _camera(shop, views, trust_network)
        cameras.append(camera)
        if is_known:
            constant.append(index)
    return camera_of_view, cameras, constant


def _camera(shop: MatchedPhotos, views: Sequence[int], trust_network: bool) -> tuple[Any, bool]:
    """The camera of these views: known, or by EXIF, by the network, or by default."""
    scene, known, first = shop.scene, shop.known, views[0]
    size = scene.placements[first].original_size
    if known is not None and bool(known.has_intrinsics[first]):
        camera = build_colmap_camera(
            size,
            1.0,
            shop.options.camera_model,
            known=known.intrinsics[first],
            known_radial=float(known.radial[first]),
        )
        return camera, True
    from_file = scene.facts[first].focal_length(size) if scene.facts else None
    focal = from_file or (network_focal(scene, views) if trust_network else default_focal(size))
    camera = build_colmap_camera(
        size, focal, shop.options.camera_model, is_prior=from_file is not None
    )
    return camera, False
