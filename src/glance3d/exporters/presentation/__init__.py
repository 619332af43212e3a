"""Shared by page and viewer: order of points, upright direction, thumbnails."""

from glance3d.exporters.presentation.order import confidence_percentiles, level_of_detail_order
from glance3d.exporters.presentation.thumbnails import (
    depth_thumbnail,
    jpeg_bytes,
    photo_thumbnail,
)
from glance3d.exporters.presentation.upright import up_direction, upright_from_world

__all__ = [
    "confidence_percentiles",
    "depth_thumbnail",
    "jpeg_bytes",
    "level_of_detail_order",
    "photo_thumbnail",
    "up_direction",
    "upright_from_world",
]
