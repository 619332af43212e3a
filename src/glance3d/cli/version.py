"""``glance3d version``."""

from dataclasses import dataclass

from glance3d._version import __version__


@dataclass(frozen=True)
class Options:
    """Print the version."""


def run(options: Options) -> None:
    """Print the version."""
    print(f"glance3d {__version__}")
