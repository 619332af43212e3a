"""A check in words, for a terminal."""

from glance3d.photo_sets.checking.check import PhotoSetCheck
from glance3d.photo_sets.checking.readings import ReadingScore
from glance3d.photo_sets.table import PHOTO_SET_FORMATS
from glance3d.text import first_names


def describe_check(check: PhotoSetCheck) -> str:
    """A line for each thing that was counted, and whether the geometry closes."""
    sizes = first_names([f"{width}x{height}" for width, height in check.sizes])
    unit = "of the median depth" if check.baseline_is_relative else "units"
    rows = {
        "format": PHOTO_SET_FORMATS[check.kind].description,
        "photos": f"{check.num_photos} of {sizes} pixels",
        "field of view": f"{check.field_of_view_x_deg:.1f} degrees across",
        "next cameras": f"{check.baseline:.3g} {unit} apart",
        "depth": _depth(check),
        "points": f"{check.num_points}" if check.num_points else "none",
    }
    if check.overlap is not None:
        rows["overlap"] = f"{check.overlap:.0%} of a photo is seen in the next with the same depth"
    rows["geometry"] = _geometry(check)
    width = max(map(len, rows))
    lines = [check.name, *(f"  {name:<{width}}  {text}" for name, text in rows.items())]
    return "\n".join([*lines, *(f"  warning: {warning}" for warning in check.warnings)])


def advice(check: PhotoSetCheck) -> str:
    """What to do about a geometry that does not close."""
    if check.better is None:
        return (
            "none of the usual other readings fits: look at poses, intrinsics and depth of a few "
            "photos by hand"
        )
    return f"it does with {check.flags} ({_error(check, check.better)})"


def _depth(check: PhotoSetCheck) -> str:
    if not check.num_depth:
        return "none"
    text = f"of {check.num_depth} of the photos"
    if check.depth_range is None or check.depth_coverage is None:
        return text
    low, high = check.depth_range
    return f"{text}, {check.depth_coverage:.0%} of their pixels, {low:.3g} to {high:.3g} units"


def _geometry(check: PhotoSetCheck) -> str:
    if check.stated is None:
        return (
            "not verified: there is neither depth of two photos nor a model's points to tell by; "
            "glance3d reconstruct PHOTOS --cameras FILE --refine compares cameras with matches"
        )
    if check.closes:
        return f"closes: {_error(check, check.stated)}"
    return f"does not close ({_error(check, check.stated)}): {advice(check)}"


def _error(check: PhotoSetCheck, score: ReadingScore) -> str:
    if score.error != score.error:
        return "no photo sees what another one does"
    if check.verified_by == "points":
        return f"points are {score.error:.3g} pixels of a 1000-pixel diagonal off in the median"
    return f"depth differs by {score.error:.2%} in the median"
