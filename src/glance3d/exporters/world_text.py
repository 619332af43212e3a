"""The world frame and the unit of lengths in words, for files and people."""

from glance3d.text import visible_text

REFERENCE_CAMERA = "reference camera"


def describe_world(world: str, reference_view: str) -> str:
    """A scene's ``world`` in words; ``reference_view`` names its reference photo."""
    if world == REFERENCE_CAMERA:
        return visible_text(f"the frame of {reference_view}")
    text = world if world.startswith("the ") else f"the frame of {world}"
    return visible_text(text)  # headers of files have one line for it


def describe_units(units: str) -> str:
    """A scene's ``units`` in words: "lengths ..."."""
    return (
        "lengths have no unit" if units == "arbitrary" else f"lengths are in {visible_text(units)}"
    )


def is_east_north_up(world: str) -> bool:
    """Whether the world's z points to the sky (a frame from GPS), and not a camera's forward."""
    return "east-north-up" in world.lower()


def world_axes(world: str) -> str:
    """What x, y and z are, as far as it is known."""
    if world == REFERENCE_CAMERA:
        return "x right, y down, z forward"
    return "x east, y north, z up" if is_east_north_up(world) else "as they were given"
