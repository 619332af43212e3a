"""The report under the 3-D view: cameras' verdicts, warnings, how the scene was made."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from glance3d.exporters.page.facts import (
    count,
    in_words,
    licence_in_words,
    stage_times,
    warnings_of,
)
from glance3d.exporters.page.markup import Markup, element, join
from glance3d.exporters.world_text import describe_units, describe_world
from glance3d.types import Reconstruction, ViewTrust

_SIGNS = {"good": "\u2713", "weak": "!", "unsupported": "\u2715"}
_BY = {
    "bundle adjustment": "measured from the photos",
    "component": "measured with some others, and put among the rest by a guess",
    "similarity": "the network's guess, moved among the others",
    "network": "the network's guess",
    "known": "given",
}


def verdict_chip(verdict: str) -> Markup:
    """A verdict as a word with a sign, readable without colours."""
    known = verdict if verdict in _SIGNS else "unsupported"
    sign = element("span", _SIGNS[known], aria_hidden="true")
    return element("span", sign, " ", verdict, class_=f"chip {known}")


def summary_section(scene: Reconstruction, num_points: int) -> Markup:
    """The most important numbers."""
    total = (scene.report.times or {}).get("total")
    tiles = [
        ("photos", f"{scene.num_views:,}"),
        ("points", f"{num_points:,}"),
        ("photos with a good camera", _good_share(scene.trust)),
        ("made in", None if total is None else in_words(total)),
        ("model", scene.model or None),
    ]
    return element(
        "dl",
        [
            element("div", element("dt", name), element("dd", value))
            for name, value in tiles
            if value is not None
        ],
        class_="tiles",
    )


def warnings_section(scene: Reconstruction) -> Markup:
    """Everything that went wrong or is doubtful, one sentence each."""
    warnings = warnings_of(scene)
    if scene.trust is None:
        warnings.insert(0, _NOT_CHECKED)
    if not warnings:
        return element("p", "No warnings.", class_="quiet")
    return element("ul", [element("li", text) for text in warnings], class_="warnings")


_NOT_CHECKED = (
    "Nobody has checked these cameras and depths: they are a network's guess. "
    "\u201cglance3d refine\u201d lets the photos themselves confirm and adjust them."
)


def verdict_table(scene: Reconstruction, surer: list[float] | None) -> Markup:
    """One row a photo. ``surer``: the percent of each photo's points in the scene's surer half."""
    if scene.trust is None:
        headings = ["Photo", "Size", "Field of view", "Points in the surer half"]
        rows = [
            [_photo_link(scene, view), _size(scene, view), _field(scene, view), _of(surer, view)]
            for view in range(scene.num_views)
        ]
        return _table(headings, rows, "Photos and their cameras")
    headings = [
        "Photo",
        "Verdict",
        "Why",
        "Camera from",
        "Tracks",
        "Median error",
        "90 % below",
        "Depth agrees",
        "Points in the surer half",
    ]
    rows = [
        [*_trust_cells(scene, view, trust), _of(surer, view)]
        for view, trust in enumerate(scene.trust)
    ]
    return _table(headings, rows, "How far each photo's camera can be trusted, and why")


def details_section(scene: Reconstruction) -> Markup:
    """How the scene was made: model, licence, machine, frame, and where the time went."""
    made, model = scene.report.made, scene.report.made.model
    parameters = model.num_parameters
    facts = [
        ("Model", scene.model or model.name or "unknown"),
        ("Parameters", None if parameters is None else f"{parameters:,}"),
        ("Weights", model.weights.source),
        ("Licence of the weights", licence_in_words(scene)),
        ("World", _sentence(describe_world(scene.world, scene.names[scene.reference_view]))),
        ("Lengths", _sentence(describe_units(scene.units))),
        ("Made on", made.created),
        ("Computed by", _machine(made.machine or {})),
        ("Glance3D", _word((made.versions or {}).get("glance3d"))),
    ]
    listed = [join([element("dt", name), element("dd", value)]) for name, value in facts if value]
    return join([element("dl", listed, class_="details"), _times(scene)])


def _times(scene: Reconstruction) -> Markup:
    stages = stage_times(scene)
    longest = max((seconds for _, seconds in stages), default=0.0) or 1.0
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", in_words(seconds), class_="number"),
            element(
                "td",
                element("span", style=f"width:{100 * seconds / longest:.1f}%"),
                class_="share",
                aria_hidden="true",
            ),
        )
        for name, seconds in stages
    ]
    if not rows:
        return Markup()
    caption = element("caption", "Where the time went")
    return element("table", caption, element("tbody", rows), class_="times")


def _trust_cells(scene: Reconstruction, view: int, trust: ViewTrust) -> list[Markup | str]:
    agreement = trust.depth_agreement
    return [
        _photo_link(scene, view),
        verdict_chip(trust.verdict),
        trust.reason,
        _BY.get(trust.registered_by, trust.registered_by),
        f"{trust.num_tracks:,}",
        _pixels(trust.median_error_px),
        _pixels(trust.p90_error_px),
        "\u2013" if agreement is None else f"{100 * agreement:.0f} %",
    ]


def _table(headings: list[str], rows: list[list[Any]], caption: str) -> Markup:
    head = element("tr", [element("th", heading, scope="col") for heading in headings])
    body = [
        element(
            "tr",
            [
                element("td", cell, data_label=heading)
                for heading, cell in zip(headings, row, strict=True)
            ],
        )
        for row in rows
    ]
    table = element(
        "table",
        element("caption", caption),
        element("thead", head),
        element("tbody", body),
        class_="verdicts",
    )
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _photo_link(scene: Reconstruction, view: int) -> Markup:
    return element(
        "button",
        scene.names[view],
        type="button",
        class_="fly",
        data_view=view,
        title="Look from where this photo was taken",
    )


def _size(scene: Reconstruction, view: int) -> str:
    width, height = scene.placements[view].original_size
    return f"{width:,} \u00d7 {height:,}"


def _field(scene: Reconstruction, view: int) -> str:
    """Across the photo's width."""
    width, _ = scene.placements[view].original_size
    focal = scene.cameras.intrinsics[view, 0, 0]
    degrees = 2 * (width / 2 / focal).atan().rad2deg().item()
    return f"{degrees:.0f}\u00b0"


def _of(shares: list[float] | None, view: int) -> str:
    return "\u2013" if shares is None else f"{shares[view]:.0f} %"


def _pixels(error: float | None) -> str:
    return "\u2013" if error is None else f"{error:.2f} px"


def _good_share(trust: tuple[ViewTrust, ...] | None) -> str:
    if trust is None:
        return "not checked"
    return f"{Counter(view.verdict for view in trust)['good']} of {len(trust)}"


def _machine(machine: Mapping[str, Any]) -> str | None:
    device, cores = machine.get("accelerator") or machine.get("device"), machine.get("num_cores")
    if not device:
        return None
    return f"{device}, {count(cores, 'core')}" if isinstance(cores, int) else str(device)


def _word(value: Any) -> str | None:
    return str(value) if value else None


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
