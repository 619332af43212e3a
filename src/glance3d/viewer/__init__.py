"""A scene in the browser, to turn, judge and fly through; needs the extra ``view`` (viser).

Nothing leaves the machine: the server listens on localhost unless it is told otherwise, and the
page comes from the installed package.
"""

from glance3d.viewer.open import view
from glance3d.viewer.viewer import Viewer, ViewerOptions

__all__ = ["Viewer", "ViewerOptions", "view"]
