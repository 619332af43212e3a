"""More views than one pass can hold: windows that overlap, each seen alone, joined into one scene.

Approximate, and only when asked for by name.
"""

from glance3d.pass_options import WindowOptions
from glance3d.windows.describe import describe_windows, window_warnings
from glance3d.windows.layout import lay_out
from glance3d.windows.predict import predict_in_windows
from glance3d.windows.store import MemoryStore, WindowStore
from glance3d.windows.window_graph import LoopVerdict, WindowAlignment, WindowGraph

__all__ = [
    "LoopVerdict",
    "MemoryStore",
    "WindowAlignment",
    "WindowGraph",
    "WindowOptions",
    "WindowStore",
    "describe_windows",
    "lay_out",
    "predict_in_windows",
    "window_warnings",
]
