"""``glance3d serve``: photos from a browser, or from another program, become scenes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from glance3d.cli.options.flag import Flag


@dataclass(frozen=True)
class LimitFlags:
    """How much is taken and kept."""

    max_upload: Annotated[float, tyro.conf.arg(metavar="GB")] = 4.0
    """Bytes of a job, also of what is in its zips."""
    max_files: Annotated[int, tyro.conf.arg(metavar="N")] = 2000
    """Files of a job."""
    max_photo: Annotated[float, tyro.conf.arg(metavar="MEGAPIXELS")] = 200.0
    """Pixels of a photo."""
    quota: Annotated[float, tyro.conf.arg(metavar="GB")] = 50.0
    """What all jobs together may keep on the disk."""
    keep: Annotated[float, tyro.conf.arg(metavar="DAYS")] = 30.0
    """Jobs that are over are removed after so long."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """A page on which photos become scenes, and the same for programs; Ctrl-C ends it.

    Only this machine can open it, unless --host says otherwise: then clients need the token in the
    address that is printed. Jobs are kept in DIR, and go on when the server is started again. Needs
    pip install 'glance3d[serve]'.

    Examples:
      glance3d serve
      glance3d serve jobs/ --host 0.0.0.0 --models glance-small da3-small
    """

    root: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = Path(
        "glance3d-jobs"
    )
    """Where jobs are kept; created if missing."""
    host: Annotated[str, tyro.conf.arg(metavar="ADDRESS")] = "127.0.0.1"
    """The address to listen on; 0.0.0.0 is every network of this machine."""
    port: Annotated[int, tyro.conf.arg(metavar="INT")] = 8080
    """The port; the next free one if it is in use."""
    allow_host: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="NAME...", help_behavior_hint="")
    ] = ()
    """Other names that the server is called by, such as those of a proxy."""
    with_token: Flag = False
    """Ask for the token on this machine, too, where others have accounts."""
    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME|FILE...")] = ("glance-small",)
    """Models that clients may choose from; the first is the default."""
    device: Annotated[str, tyro.conf.arg(metavar="DEVICE")] = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the large matrix products; cameras and geometry are always float32."""
    jobs: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """How many jobs are made at once."""
    no_open: Flag = False
    """Do not open the browser; only print where the page is."""
    limits: Annotated[LimitFlags, tyro.conf.arg(name="limit")] = field(default_factory=LimitFlags)


def run(options: Options) -> None:
    """Serve until Ctrl-C."""
    from glance3d.service.jobs.limits import Limits
    from glance3d.service.options import ServiceOptions
    from glance3d.service.serve import serve

    flags = options.limits
    limits = Limits(
        job_bytes=round(flags.max_upload * 1e9),
        job_files=flags.max_files,
        photo_pixels=round(flags.max_photo * 1e6),
        disk_bytes=round(flags.quota * 1e9),
        keep_days=flags.keep,
    )
    chosen = ServiceOptions(
        root=options.root,
        host=options.host,
        port=options.port,
        models=options.models,
        device=options.device,
        precision=options.precision,
        num_at_once=options.jobs,
        with_token=options.with_token,
        hosts=options.allow_host,
        limits=limits,
    )
    serve(
        chosen,
        open_browser=not options.no_open,
        on_listening=lambda address: print(f"open {address} (Ctrl-C ends it)", flush=True),
    )
