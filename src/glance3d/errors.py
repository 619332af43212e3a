"""What can go wrong, as types.

::

    Glance3DError
    ├── ImageError           a photo or a folder of photos cannot be used
    │   └── CamerasError     a file of their cameras cannot be read, or does not fit them
    ├── InputError           an argument or tensor has the wrong shape, range or value
    │   └── NotEnoughMemoryError   what was asked for does not fit into memory; a MemoryError, too
    ├── ConfigError          a config contradicts itself (raised when it is made)
    ├── WeightsError         a weights file is missing, unknown, or does not fit the network
    ├── SceneError           a saved scene cannot be read, or lacks what was asked of it
    ├── OutputError          a result cannot be written
    ├── RanksError           another process of a group ended, or did not come
    ├── BatchError           scenes of a batch could not be made
    └── MissingExtraError    an optional package is needed; the message names the extra

Every message says what it got, what was wanted and what to do.
"""


class Glance3DError(Exception):
    """Anything that Glance3D refuses, with one clear sentence for the user."""


class ImageError(Glance3DError):
    """A photo, or a set of photos, cannot be used."""


class CamerasError(ImageError):
    """A file of photos' cameras cannot be read, or does not fit the photos."""


class InputError(Glance3DError, ValueError):
    """An argument or tensor has the wrong shape, range or value."""


class NotEnoughMemoryError(InputError, MemoryError):
    """What was asked for does not fit into memory, by its plan or when it was tried."""


class ConfigError(Glance3DError, ValueError):
    """A config contradicts itself."""


class WeightsError(Glance3DError):
    """A weights file is missing, unknown, or does not fit the network."""


class SceneError(Glance3DError):
    """A saved scene cannot be read, or lacks what was asked of it."""


class OutputError(Glance3DError):
    """A result cannot be written."""


class RanksError(Glance3DError):
    """Another process of a group ended, or did not come.

    ``code`` is the exit code for it; ``told_by`` the rank that ended by a sentence of its own.
    """

    def __init__(self, message: str, code: int = 1, told_by: int | None = None) -> None:
        super().__init__(message)
        self.code, self.told_by = code, told_by


class BatchError(Glance3DError):
    """Some scenes of a batch could not be made, or none can."""


class MissingExtraError(Glance3DError, ImportError):
    """An optional package is needed; the message names the extra that brings it."""

    def __init__(self, purpose: str, package: str, extra: str) -> None:
        super().__init__(f"{purpose} needs {package}: pip install 'glance3d[{extra}]'")
