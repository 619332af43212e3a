"""A reconstruction goes in, a better one comes out: cameras that the photos themselves confirm."""

from glance3d.refinement.options import RefineOptions
from glance3d.refinement.refine import refine

__all__ = ["RefineOptions", "refine"]
