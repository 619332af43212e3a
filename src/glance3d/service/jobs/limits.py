"""How much a server takes and keeps."""

from dataclasses import dataclass, fields

from glance3d.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Bytes and files of a job, pixels of a photo, and what all jobs may keep on the disk.

    ``job_bytes`` and ``job_files`` also hold for what is in zips. A finished job is removed
    ``keep_days`` after its end; an upload that is not finished, ``upload_hours`` after its last
    file. A client that sends nothing for ``idle_seconds`` is given up.

    Raises:
        InputError: a limit is not positive.
    """

    job_bytes: int = 4 * 10**9
    job_files: int = 2000
    photo_pixels: int = 200_000_000
    disk_bytes: int = 50 * 10**9
    queued_jobs: int = 500
    keep_days: float = 30.0
    upload_hours: float = 6.0
    idle_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what would refuse everything."""
        for one in fields(self):
            value = getattr(self, one.name)
            if not value > 0:
                name = one.name.replace("_", " ")
                raise InputError(f"the limit of {name} must be above 0, got {value}")
