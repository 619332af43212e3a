"""Result folders: which files in them are ours, and how these are written, replaced and removed.

Everything that Glance3D writes for a user goes through :func:`open_result`: one guard, which
refuses what the folder's manifest does not name; one staging folder, whose files are moved into
place as one; one lock. Every reader of results calls :func:`settle` first.
"""

from glance3d.results.fingerprint import Fingerprint
from glance3d.results.folder import ResultFolder, open_result, settle
from glance3d.results.guard import Claims, shortened
from glance3d.results.manifest import (
    MANIFEST_FILE,
    Manifest,
    is_own_result,
    read_manifest,
    write_manifest,
)
from glance3d.results.staging import Staging
from glance3d.results.unfinished import (
    UNFINISHED_FOLDER,
    remove_unfinished,
    unfinished_files,
    unfinished_folder,
)

__all__ = [
    "MANIFEST_FILE",
    "UNFINISHED_FOLDER",
    "Claims",
    "Fingerprint",
    "Manifest",
    "ResultFolder",
    "Staging",
    "is_own_result",
    "open_result",
    "read_manifest",
    "remove_unfinished",
    "settle",
    "shortened",
    "unfinished_files",
    "unfinished_folder",
    "write_manifest",
]
