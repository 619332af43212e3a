"""What a server asks of the process of a job."""

from dataclasses import dataclass
from pathlib import Path

from glance3d.models import ModelSource
from glance3d.service.jobs.limits import Limits
from glance3d.service.jobs.records import JobSettings


@dataclass(frozen=True)
class JobTask:
    """A job to make: its folder and name, what is wanted, and the network of the owner's choice."""

    folder: Path
    name: str
    settings: JobSettings
    source: ModelSource
    limits: Limits
