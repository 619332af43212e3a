"""What the owner of a server chooses."""

import importlib.util
import platform
from dataclasses import dataclass, field
from pathlib import Path

from glance3d.errors import InputError
from glance3d.exporters.table import FORMATS
from glance3d.models import ModelSource
from glance3d.service.jobs.limits import Limits
from glance3d.service.jobs.names import shown_name
from glance3d.service.jobs.records import JobSettings
from glance3d.viewer.server import LOCAL_HOSTS

# Formats that need an extra, and what that brings.
_NEEDS = {"las": "laspy", "depth-exr": "OpenEXR", "rerun": "rerun"}


@dataclass(frozen=True)
class ServiceOptions:
    """Where jobs are kept, who may use the server, and what it makes them with.

    ``models`` are what clients may choose from, the first by default. ``hosts`` are names besides
    its own by which the server may be called. ``with_token``: clients of this machine, too, need
    the token that all others need.

    Raises:
        Glance3DError: a model is unknown or refused, or a number is outside its range.
    """

    root: Path
    host: str = "127.0.0.1"
    port: int = 8080
    models: tuple[str, ...] = ("glance-small",)
    device: str = "auto"
    precision: str = "auto"
    num_at_once: int = 1
    with_token: bool = False
    hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Refuse what clients would only meet later."""
        if not self.models:
            raise InputError("a server needs a model: name at least one")
        if self.num_at_once < 1:
            raise InputError(f"jobs at once must be at least 1, got {self.num_at_once}")
        _ = self.sources

    @property
    def sources(self) -> dict[str, ModelSource]:
        """The networks by the names that clients use: of a file, its name without its folder."""
        return {
            shown_name(Path(model).stem if Path(model).is_file() else model): ModelSource(
                model, device=self.device, precision=self.precision
            )
            for model in self.models
        }

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOCAL_HOSTS

    @property
    def needs_token(self) -> bool:
        """Whether clients must know a secret."""
        return self.with_token or not self.is_local

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names (of the header Host) that mean this server; to others a name may be turned."""
        own = {"localhost", "127.0.0.1", "::1"}
        if not self.is_local:
            name = platform.node().lower()
            own |= {self.host, name, f"{name}.local"}
        return frozenset(own | {host.lower() for host in self.hosts})


def formats_on_request() -> dict[str, str]:
    """Formats beside the usual ones that can be written here, and what they are."""
    return {
        name: exporter.description
        for name, exporter in FORMATS.items()
        if exporter.on_request
        and (name not in _NEEDS or importlib.util.find_spec(_NEEDS[name]) is not None)
    }


def can_refine() -> bool:
    """Whether what refines cameras is installed here."""
    return importlib.util.find_spec("pycolmap") is not None


def checked(settings: JobSettings, models: tuple[str, ...]) -> JobSettings:
    """The settings with what they leave open.

    Raises:
        InputError: a model or format is not known here, or refinement is not installed.
    """
    if settings.refine and not can_refine():
        raise InputError("this server cannot refine: its owner may install 'glance3d[colmap]'")
    refine = can_refine() if settings.refine is None else settings.refine
    model = settings.model or models[0]
    if model not in models:
        raise InputError(f"model must be one of {', '.join(models)}, got {shown_name(model)!r}")
    known = formats_on_request()
    for name in settings.formats:
        if name not in known:
            raise InputError(f"formats must be of {', '.join(known)}, got {shown_name(name)!r}")
    formats = tuple(dict.fromkeys(settings.formats))
    return JobSettings(model, refine, formats, settings.views, settings.max_pixels)
