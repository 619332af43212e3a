"""Whether the numbers of a photo set fit each other, and which other way of reading them does."""

from glance3d.photo_sets.checking.check import PhotoSetCheck, check_photo_set
from glance3d.photo_sets.checking.describe import advice, describe_check

__all__ = ["PhotoSetCheck", "advice", "check_photo_set", "describe_check"]
