"""Metres: from known poses, GPS, known distances or depth, with the error of the scale."""

from glance3d.geometry.geodesy import GeodeticOrigin, ecef_from_geodetic, enu_from_geodetic
from glance3d.metric_scale.apply import apply_metric_scale
from glance3d.metric_scale.constraints import (
    KnownDepth,
    KnownDepthMap,
    KnownDistance,
    KnownPoses,
    MetricConstraints,
)
from glance3d.metric_scale.estimates import Measure, ScaleEstimate

__all__ = [
    "GeodeticOrigin",
    "KnownDepth",
    "KnownDepthMap",
    "KnownDistance",
    "KnownPoses",
    "Measure",
    "MetricConstraints",
    "ScaleEstimate",
    "apply_metric_scale",
    "ecef_from_geodetic",
    "enu_from_geodetic",
]
