"""Which views are seen together."""

from glance3d.windows.layout.lay_out import lay_out

__all__ = ["lay_out"]
