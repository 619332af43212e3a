"""Photos added to a scene: seen together with some of the old ones, and put where those stand."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from glance3d.errors import ImageError, InputError
from glance3d.geometry.robust_similarity import estimate_robust_pose_similarity
from glance3d.images import (
    ClipSampling,
    FoundSources,
    InputOptions,
    MaskSources,
    Originals,
    find_masks,
    find_sources,
)
from glance3d.images.clips import expand_clips, file_of
from glance3d.images.finding.photo_search import has_content
from glance3d.images.naming.unique_names import unique_names
from glance3d.incremental.anchors import choose_anchors, likeness_to_new
from glance3d.incremental.merge import merge, resample_to_canvas
from glance3d.known_cameras import KnownCamera, KnownCameras
from glance3d.models import ModelSource, Network
from glance3d.models.zoo import known_name
from glance3d.pass_options import PassOptions
from glance3d.reconstruction import reconstruct_scene
from glance3d.reporting.making import describe_masks
from glance3d.text import counted, first_names
from glance3d.trust.rules import judge
from glance3d.types import (
    ImageBatch,
    PhotoContent,
    PhotoMask,
    Reconstruction,
    ReportWarning,
    SkippedPhoto,
    ViewTrust,
)
from glance3d.types.report_sections import AdditionReport, PhotosReport, SkippedReport

MAX_ANCHORS = 12
_NOT_CHECKED = "added beside old photos by the network alone: refine to know whether it fits"


def add_photos(
    scene: Reconstruction,
    photos: str | Path | Sequence[str | Path],
    *,
    folder: str | Path | None = None,
    model: str | Path | Network | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    adapter: str | Path | None = None,
    max_anchors: int = MAX_ANCHORS,
    window: int | None = None,
    overlap: int | None = None,
    masks: str | Path | None = None,
    fps: float | None = None,
    views: int | None = None,
    on_loaded: Callable[[ImageBatch], None] | None = None,
    progress: bool = False,
) -> Reconstruction:
    """Add photos to a scene; the old cameras do not move.

    The network sees the new photos together with up to ``max_anchors`` old ones: those that look
    most like the new ones (:mod:`glance3d.retrieval`), some of them far apart. The similarity
    transform between the old ones' poses in that pass and in the scene moves the new ones into the
    scene; depth is scaled with it. How well the poses agree is in ``report.additions``. Tracks are
    dropped, since they do not cover the new photos; measured points stay. Refine the scene
    afterwards to verify the new cameras against the photos.

    Args:
        scene: The scene to add to.
        photos: A folder, files or globs.
        folder: Where a saved scene keeps copies of its photos, if they have moved.
        model: By default the scene's own.
        weights: A weights file instead of the model's own.
        device: As in :func:`glance3d.reconstruct`.
        precision: Likewise.
        adapter: Likewise; a scene that was made with one does not bring it along.
        max_anchors: How many old photos the network sees again.
        window: Show the network this many photos at a time, the old ones first: approximate, for
            more new photos than one pass can hold; see :func:`glance3d.reconstruct`.
        overlap: How many photos neighbouring windows share at least.
        masks: A folder with masks of the new photos, as in :func:`glance3d.reconstruct`; the old
            ones keep theirs.
        fps: Which frames of clips among the photos, as in :func:`glance3d.reconstruct`.
        views: Likewise.
        on_loaded: Likewise; the batch begins with the old photos that are seen again.
        progress: Show progress bars on stderr.

    Returns:
        The scene with the old photos first, then the new ones.

    Raises:
        InputError: every photo is in the scene already.
        ImageError: no new photo can be read, or the old ones are gone.
    """
    return extend_scene(
        scene,
        photos,
        ModelSource(
            known_name(scene.model) if model is None else model,
            weights,
            device,
            precision,
            adapter=adapter,
        ),
        InputOptions(masks=masks, clips=ClipSampling(fps=fps, views=views)),
        PassOptions(window=window, overlap=overlap),
        folder=folder,
        max_anchors=max_anchors,
        on_loaded=on_loaded,
        progress=progress,
    )


def extend_scene(
    scene: Reconstruction,
    photos: str | Path | Sequence[str | Path],
    source: ModelSource,
    inputs: InputOptions,
    options: PassOptions,
    *,
    folder: str | Path | None = None,
    max_anchors: int = MAX_ANCHORS,
    on_loaded: Callable[[ImageBatch], None] | None = None,
    progress: bool = False,
) -> Reconstruction:
    """As :func:`add_photos`, which packs its arguments once; masks are those of the new photos."""
    if max_anchors < 1:
        raise InputError(
            f"max_anchors must be at least 1 old photo to see again, got {max_anchors}"
        )
    mask_folder = _folder_of(inputs.masks)
    sources = find_sources(photos, apart=mask_folder)
    fresh = expand_clips(_new_photos(scene, sources), inputs.clips, progress=progress)
    originals, likeness = Originals(scene, folder), None
    if scene.num_views > max_anchors:
        network = source.load()
        likeness = likeness_to_new(scene, originals, fresh, network, progress=progress)
        source = ModelSource(network)  # it is loaded once
    anchors = choose_anchors(scene, max_anchors, likeness)
    old = originals.paths()
    known_masks = _masks(scene, anchors, fresh, mask_folder)
    mask_input = known_masks is not None and scene.mask_input
    seen = reconstruct_scene(
        FoundSources((*(old[view] for view in anchors), *fresh)),
        source,
        replace(inputs, masks=known_masks, mask_input=mask_input, clips=ClipSampling()),
        options,
        on_loaded=on_loaded,
        progress=progress,
    )
    _refuse_nothing_new(seen, len(anchors))
    _refuse_lost_anchors(seen, [scene.names[view] for view in anchors], old, anchors)
    fit = estimate_robust_pose_similarity(
        seen.cameras.cam_from_world[: len(anchors)], scene.cameras.cam_from_world[anchors]
    )
    moved = seen.moved(fit.target_from_source, units=scene.units, world=scene.world)
    added = moved.of_views(range(len(anchors), seen.num_views))
    added = _renamed(added, scene)
    added = resample_to_canvas(added, scene, Originals(added))
    added = replace(added, trust=tuple(_unchecked() for _ in added.names))
    addition = AdditionReport(
        photos=added.names,
        anchors=tuple(scene.names[view] for view in anchors),
        num_anchors_agreeing=int(fit.inliers.sum()),
        scale=fit.target_from_source.scale,
        rotation_sigma_deg=math.degrees(fit.angle_sigma or 0.0),
        distance_sigma=fit.sigma,
        windows=seen.report.made.windows,
    )
    trusted = scene if scene.trust is not None else replace(scene, trust=judge(scene))
    merged = merge(trusted, added)
    report = replace(
        scene.report,
        photos=_described_photos(scene, seen, merged, sources.skipped),
        additions=(*(scene.report.additions or ()), addition),
    )
    return replace(merged, report=report.with_warnings(_new_warnings(scene, seen, sources.notes)))


def _described_photos(
    scene: Reconstruction,
    seen: Reconstruction,
    merged: Reconstruction,
    skipped: Sequence[SkippedPhoto],
) -> PhotosReport:
    """All photos of the scene, and all that were not used."""
    old, new = scene.report.photos, seen.report.photos
    names = merged.names[scene.num_views :]
    described = (new.views or ())[seen.num_views - len(names) :]
    not_used = (SkippedReport(photo.source, photo.reason) for photo in skipped)
    return replace(
        old,
        num_views=merged.num_views,
        views=(
            *(old.views or ()),
            *({**view, "name": name} for view, name in zip(described, names, strict=True)),
        ),
        skipped=(*(old.skipped or ()), *not_used, *(new.skipped or ())),
        masks=describe_masks(merged.names, merged.masks, scene.mask_input),
    )


def _new_warnings(
    scene: Reconstruction, seen: Reconstruction, notes: Sequence[str]
) -> list[ReportWarning]:
    """What the new photos are warned of, but for what is said of the scene already."""
    known = {warning.text for warning in scene.report.warnings}
    new = [
        *ReportWarning.each("additions", "photos", notes),
        *(replace(warning, stage="additions") for warning in seen.report.warnings),
        *ReportWarning.each("additions", "adapter", _other_adapter(scene, seen)),
    ]
    return [warning for warning in new if warning.text not in known]


def _other_adapter(scene: Reconstruction, seen: Reconstruction) -> list[str]:
    """That old and new photos were seen with different adapters, if they were."""
    old, new = (one.report.made.model.adapter for one in (scene, seen))
    if (old and old.sha256) == (new and new.sha256):
        return []
    names = [f"the adapter {one.file}" if one else "no adapter" for one in (old, new)]
    return [f"the scene was made with {names[0]}, the new photos were seen with {names[1]}"]


def _folder_of(masks: MaskSources | None) -> str | Path | None:
    if masks is None or isinstance(masks, str | Path):
        return masks
    raise InputError("masks of photos that are added must be a folder: give its path")


def _masks(
    scene: Reconstruction, anchors: Sequence[int], fresh: Sequence[Path], folder: str | Path | None
) -> list[PhotoMask | Path | None] | None:
    """The masks of the photos that the network sees now; None if none has one."""
    new: Sequence[Path | None] = [None] * len(fresh)
    if folder is not None:
        new = find_masks(folder, unique_names(fresh), list(map(str, fresh)), scene.names)
    old = [scene.masks[view] if scene.masks else None for view in anchors]
    return [*old, *new] if any([*old, *new]) else None


def held_cameras(scene: Reconstruction, num_old: int) -> KnownCameras:
    """The first ``num_old`` cameras of a scene as known ones, for refinement to hold."""
    cameras = scene.cameras
    known = tuple(
        KnownCamera(
            name=scene.names[view],
            cam_from_world=cameras.cam_from_world[view].double(),
            intrinsics=cameras.intrinsics[view].double(),
            radial=0.0 if cameras.radial is None else float(cameras.radial[view]),
            size=scene.placements[view].original_size,
        )
        for view in range(num_old)
    )
    return KnownCameras(
        "the scene before", "scene", known, scene.world, scene.units, is_partial=True
    )


def _new_photos(scene: Reconstruction, sources: FoundSources) -> list[Path]:
    paths = sources.paths
    # A clip has given those of its frames that are worth it. Paths that a scene names are compared,
    # not looked at: a saved scene may come from anybody.
    present = {file_of(Path(source)) for source in scene.sources}
    contents = {content for content in scene.contents if content is not None}
    fresh = [path for path in paths if not _is_present(path, present, contents)]
    if not fresh:
        raise InputError(
            f"nothing to add: {counted(len(paths), 'photo')} given, all in the scene already: give "
            "photos that it has not seen"
        )
    return fresh


def _is_present(path: Path, sources: set[Path], contents: set[PhotoContent]) -> bool:
    """Whether a photo is in a scene: by its content or, where none is known, by its place."""
    if contents:
        return any(has_content(path, content) for content in contents)
    return bool(sources & {path.absolute(), path.resolve()})


def _refuse_nothing_new(seen: Reconstruction, num_old: int) -> None:
    if seen.num_views > num_old:
        return
    reasons = [photo.reason or "" for photo in seen.report.photos.skipped or ()]
    raise ImageError(f"none of the photos given can be used: {first_names(reasons)}")


def _refuse_lost_anchors(
    seen: Reconstruction, names: Sequence[str], old: Sequence[Path], anchors: Sequence[int]
) -> None:
    """Views are matched by position: an old photo that cannot be read would shift them all."""
    for view, name, source in zip(
        range(len(names)), names, (old[anchor] for anchor in anchors), strict=True
    ):
        if Path(seen.sources[view]) != source.absolute():
            raise InputError(f"{name}, a photo of the scene, can no longer be read: put it back")


def _renamed(added: Reconstruction, scene: Reconstruction) -> Reconstruction:
    """Names that no old photo has."""
    old = [Path(name) for name in scene.names]
    names = unique_names([*old, *(Path(source) for source in added.sources)])
    return replace(added, names=names[len(old) :])


def _unchecked() -> ViewTrust:
    return ViewTrust("network", 0, None, None, None, "unsupported", _NOT_CHECKED)
