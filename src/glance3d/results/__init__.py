"""Folders of results: what in them is ours, and how it is written, replaced and removed."""

from glance3d.results.fingerprint import Fingerprint
from glance3d.results.manifest import (
    MANIFEST_FILE,
    Manifest,
    is_own_result,
    read_manifest,
    write_manifest,
)

__all__ = [
    "MANIFEST_FILE",
    "Fingerprint",
    "Manifest",
    "is_own_result",
    "read_manifest",
    "write_manifest",
]
