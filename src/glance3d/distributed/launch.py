"""What started this process, as one of how many: read from what launchers leave in the environment.

torchrun and Ray's trainers set ``RANK``, ``WORLD_SIZE`` and ``LOCAL_RANK``. ``srun`` sets
``SLURM_PROCID``, ``SLURM_NTASKS`` and ``SLURM_LOCALID`` for each task of a step; the shell of a
batch script has them too, without being a task of a step, and is a process alone.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from glance3d.errors import InputError

DEFAULT_PORT = 29500
# Of SLURM, where nobody names a port: one for each job, so that two jobs on a machine do not meet.
_FIRST_SLURM_PORT, _SLURM_PORTS = 15000, 20000
_NODE_LISTS = ("SLURM_STEP_NODELIST", "SLURM_NODELIST", "SLURM_JOB_NODELIST")
_TASK_COUNTS = ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")


@dataclass(frozen=True)
class Launch:
    """Which process this is (``rank``, from 0) of how many (``size``), and where they meet.

    ``local_rank`` counts the processes of this machine, ``local_size`` says how many they are. They
    meet at ``address`` and ``port``, where rank 0 listens; or the launcher itself does already
    (``is_hosted``), once for each ``attempt`` to start them.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    address: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    launcher: str = ""
    is_hosted: bool = False
    attempt: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be one of several."""
        if not 0 <= self.rank < self.size:
            raise InputError(
                f"the rank of a process must be from 0 to {self.size - 1} in a group of "
                f"{self.size}, got {self.rank} from {self.launcher}: start it by torchrun or srun"
            )


def read_launch(environ: Mapping[str, str] | None = None) -> Launch:
    """What the environment says; a process alone where it says nothing.

    Raises:
        InputError: what it says is no number, or incomplete.
    """
    environ = os.environ if environ is None else environ
    if environ.get("RANK") and environ.get("WORLD_SIZE"):
        return _of_torchrun(environ)
    if environ.get("SLURM_PROCID") and not _is_batch_script(environ):
        return _of_slurm(environ)
    return Launch()


def _of_torchrun(environ: Mapping[str, str]) -> Launch:
    rank, size = _number(environ, "RANK"), _number(environ, "WORLD_SIZE")
    address = environ.get("MASTER_ADDR", "")
    if size > 1 and not address:
        raise InputError(
            f"WORLD_SIZE is {size} and MASTER_ADDR is not set: start the processes by torchrun, or "
            "say the address of rank 0's machine"
        )
    return Launch(
        rank,
        size,
        _number(environ, "LOCAL_RANK", rank),
        _number(environ, "LOCAL_WORLD_SIZE", 1),
        address or Launch.address,
        _number(environ, "MASTER_PORT", DEFAULT_PORT),
        "torchrun" if "TORCHELASTIC_RUN_ID" in environ else "RANK and WORLD_SIZE",
        environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        _number(environ, "TORCHELASTIC_RESTART_COUNT", 0),
    )


def _is_batch_script(environ: Mapping[str, str]) -> bool:
    """Whether this is a job's own shell, which SLURM tells the job's count of tasks."""
    is_step = any(name in environ for name in ("SLURM_STEP_ID", "SLURM_STEPID"))
    return "SLURM_JOB_ID" in environ and not is_step


def _of_slurm(environ: Mapping[str, str]) -> Launch:
    rank = _number(environ, "SLURM_PROCID")
    size = next((_number(environ, name) for name in _TASK_COUNTS if environ.get(name)), 1)
    address = environ.get("MASTER_ADDR", "")
    if not address:
        nodes = next((environ[name] for name in _NODE_LISTS if environ.get(name)), "")
        if size > 1 and not nodes:
            raise InputError(
                f"SLURM started {size} tasks, and neither MASTER_ADDR nor SLURM_NODELIST says "
                "where rank 0 is: set MASTER_ADDR to its machine"
            )
        address = first_host(nodes) if nodes else Launch.address
    job = _number(environ, "SLURM_JOB_ID", 0)
    return Launch(
        rank,
        size,
        _number(environ, "SLURM_LOCALID", 0),
        _tasks_of_this_machine(environ),
        address,
        _number(environ, "MASTER_PORT", _FIRST_SLURM_PORT + job % _SLURM_PORTS),
        "srun",
    )


def _tasks_of_this_machine(environ: Mapping[str, str]) -> int:
    """``SLURM_STEP_TASKS_PER_NODE`` is such as ``2(x3),1``; its first number, where it is there."""
    words = environ.get("SLURM_STEP_TASKS_PER_NODE") or environ.get("SLURM_TASKS_PER_NODE", "")
    counts = [
        int(count)
        for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", words)
        for _ in range(int(times or 1))
    ]
    node = _number(environ, "SLURM_NODEID", 0)
    return counts[node] if node < len(counts) else 1


def first_host(nodes: str) -> str:
    """The first machine of SLURM's short list: ``gpu01`` of ``gpu[01-03,7],login``."""
    found = re.match(r"\s*([^\[,\s]+)(?:\[([^\]]*)\]([^,\[\s]*))?", nodes)
    if found is None:
        raise InputError(f"a list of machines must be such as gpu[01-04], got {nodes[:60]!r}")
    name, numbers, rest = found.groups()
    return name if numbers is None else name + re.split(r"[-,]", numbers)[0] + rest


def _number(environ: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environ.get(name) or ("" if default is None else str(default))
    try:
        return int(text)
    except ValueError:
        raise InputError(
            f"{name} must be a whole number, got {text[:40]!r}: start the processes by torchrun or "
            "srun"
        ) from None
