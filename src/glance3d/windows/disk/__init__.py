"""Windows in files: bounded memory, and a run that was stopped goes on where it was."""

from glance3d.windows.disk.folder import WindowFolder
from glance3d.windows.disk.keys import WindowKeys
from glance3d.windows.disk.room import DiskUse
from glance3d.windows.disk.store import DiskStore

__all__ = ["DiskStore", "DiskUse", "WindowFolder", "WindowKeys"]
