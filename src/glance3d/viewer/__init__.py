"""An interactive 3-D view of a scene in the browser; needs the extra ``view`` (viser).

Nothing leaves the machine: the server listens on localhost unless ``host`` says otherwise, and the
page comes from the installed package.
"""

from glance3d.viewer.open import view
from glance3d.viewer.viewer import Viewer, ViewerOptions

__all__ = ["Viewer", "ViewerOptions", "view"]
