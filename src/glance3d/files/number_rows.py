"""Reading text of nothing but numbers, as matrices and trajectories are written."""

from pathlib import Path

from glance3d.errors import Glance3DError
from glance3d.files.text_input import read_text


def read_rows(path: str | Path, *, error: type[Glance3DError]) -> list[list[float]]:
    """The numbers of each line that holds any, which may be infinite or NaN.

    Raises:
        error: The file cannot be read, or holds something else.
    """
    text = read_text(path, error=error)
    try:
        return [[float(word) for word in line.split()] for line in text.split("\n") if line.strip()]
    except ValueError as failure:
        raise error(f"{path} must be rows of numbers") from failure
