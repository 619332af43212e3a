"""``scene.html``: a scene to look at and its report, in one file that needs no network."""

from glance3d.exporters.page.write_page import write_page

__all__ = ["write_page"]
