"""``scene.html``: one file to send to somebody who has installed nothing.

It opens from the disk, asks no network for anything, and says what is known of the scene also where
there is no WebGL. Photos and depth previews take at most a third of the budget, points the rest.
Of a scene with measured depth the page begins with all measured points and nothing guessed, of any
other without the ``percentile`` least sure points. The rest is in the page, a click away.
"""

import base64
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.page.facts import count, scene_title
from glance3d.exporters.page.markup import Markup, element, join
from glance3d.exporters.page.packed_points import (
    BYTES_OF_POINT,
    PackedPoints,
    pack_depth_points,
    pack_sparse_points,
)
from glance3d.exporters.page.pictures import Pictures, draw_pictures
from glance3d.exporters.page.report_plots import plots_section, surer_shares
from glance3d.exporters.page.report_sections import (
    details_section,
    summary_section,
    verdict_chip,
    verdict_table,
    warnings_section,
)
from glance3d.exporters.page.template import (
    binary_scripts,
    fill_template,
    fixed_size,
    json_script,
)
from glance3d.exporters.page.viewpoints import describe_cameras, some_points
from glance3d.exporters.points.point_cloud import has_points
from glance3d.exporters.presentation import confidence_percentiles, upright_from_world
from glance3d.files.atomic import save_bytes
from glance3d.text import visible_text
from glance3d.types import Reconstruction

DEFAULT_MAX_POINTS = 600_000
_PICTURES_SHARE = 1 / 3
_BASE64 = 4 / 3
# Of the measured points a picture needs no more; they share the budget with those of depth.
_MAX_SPARSE_SHARE = 0.15


def write_page(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the page, at most ``options.page_megabytes`` large."""
    upright = upright_from_world(scene)
    budget = int(options.page_megabytes * 1e6)
    pictures = draw_pictures(scene, int(budget * _PICTURES_SHARE / _BASE64))
    percentiles = confidence_percentiles(scene) if has_points(scene) else None
    title = options.title or scene_title(scene)
    parts = _report_parts(scene, title, percentiles, pictures)
    taken = fixed_size() + sum(len(text.encode()) for text in parts.values())
    dense, sparse = _clouds(scene, percentiles, upright, budget - taken, options.max_points)
    clouds = [cloud for cloud in (dense, sparse) if cloud is not None]
    shown = _scene_data(scene, upright, options.percentile, dense, sparse)
    parts |= {
        "summary": summary_section(scene, max((c.num_points for c in clouds), default=0)),
        "data": json_script("scene-data", shown),
        "points": join(
            binary_scripts(kind, cloud.chunks)
            for kind, cloud in (("depth-points", dense), ("sparse-points", sparse))
            if cloud is not None
        ),
    }
    return WriteResult((save_bytes(path, fill_template(parts).encode()),))


def _clouds(
    scene: Reconstruction,
    percentiles: Float[Tensor, "views h w"] | None,
    upright: Float[Tensor, "3 3"],
    num_bytes: int,
    max_points: int | None,
) -> tuple[PackedPoints | None, PackedPoints | None]:
    """Points of depth and measured points, together within the bytes that are left."""
    most = max(1, int(num_bytes / _BASE64 / BYTES_OF_POINT) - 2000)
    most = min(most, max_points or DEFAULT_MAX_POINTS)
    sparse = None
    if scene.sparse is not None:
        share = 1.0 if percentiles is None else _MAX_SPARSE_SHARE
        sparse = pack_sparse_points(scene.sparse, upright, max(1, int(most * share)))
    if percentiles is None:
        return None, sparse
    num_left = max(1, most - (sparse.num_shown if sparse else 0))
    return pack_depth_points(scene, percentiles, upright, num_left), sparse


def _report_parts(
    scene: Reconstruction,
    title: str,
    percentiles: Float[Tensor, "views h w"] | None,
    pictures: Sequence[Pictures | None],
) -> dict[str, Markup]:
    # Without a confidence all points are equal, and there is nothing to compare.
    ranks = percentiles if scene.confidence is not None else None
    return {
        "title": element("title", f"{title} \u2013 Glance3D"),
        "heading": join([title]),
        "subtitle": join([_subtitle(scene)]),
        "warnings": warnings_section(scene),
        "photos": join(_photo_card(scene, view, pair) for view, pair in enumerate(pictures)),
        "table": verdict_table(scene, None if ranks is None else surer_shares(ranks)),
        "plots": plots_section(scene, ranks),
        "details": details_section(scene),
    }


def _subtitle(scene: Reconstruction) -> str:
    made = f"reconstructed from {count(scene.num_views, 'photo')} by {scene.model or 'a network'}"
    return f"A 3-D scene {made}{', refined' if scene.trust is not None else ''}"


def _photo_card(scene: Reconstruction, view: int, pictures: Pictures | None) -> Markup:
    name = scene.names[view]
    shown: list[Markup] = []
    if pictures is not None:
        shown.append(_picture(pictures.photo, f"The photo {name}", "photo"))
        if pictures.depth is not None:
            alternative = f"Its depth: near is warm, far is cold, black is unknown ({name})"
            shown.append(_picture(pictures.depth, alternative, "depth"))
    chip = None if scene.trust is None else verdict_chip(scene.trust[view].verdict)
    return element(
        "li",
        element(
            "button",
            element("span", shown, class_="pair"),
            element("span", element("span", name, class_="name"), chip, class_="label"),
            type="button",
            class_="fly",
            data_view=view,
            title="Look from where this photo was taken",
        ),
    )


def _picture(jpeg: bytes, alternative: str, kind: str) -> Markup:
    source = Markup(f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}")
    return element("img", src=source, alt=alternative, class_=kind, decoding="async")


def _scene_data(
    scene: Reconstruction,
    upright: Float[Tensor, "3 3"],
    percentile: float,
    dense: PackedPoints | None,
    sparse: PackedPoints | None,
) -> dict[str, Any]:
    """What the program needs besides points and pictures."""
    points = some_points(scene)
    cameras = describe_cameras(scene, upright, points)
    for view, camera in enumerate(cameras["views"]):
        camera["name"] = visible_text(scene.names[view])
        camera["verdict"] = None if scene.trust is None else scene.trust[view].verdict
    return {
        "cameras": cameras,
        "percentile": percentile,
        "units": scene.units,
        "clouds": {
            kind: None if cloud is None else _cloud_data(cloud)
            for kind, cloud in (("depth", dense), ("sparse", sparse))
        },
        "center": _center(points if len(points) else scene.cameras.centers, upright),
    }


def _cloud_data(cloud: PackedPoints) -> dict[str, Any]:
    return {name: value for name, value in asdict(cloud).items() if name != "chunks"}


def _center(points: Float[Tensor, "points 3"], upright: Float[Tensor, "3 3"]) -> list[float]:
    """The centre of the scene: the median of its points, which outliers do not move."""
    middle = (points @ upright.T).median(0).values
    return torch.round(middle, decimals=6).tolist()
