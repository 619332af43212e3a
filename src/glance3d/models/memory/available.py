"""How much memory there is: on the device, on the machine, in a container, in a shell."""

import os
from pathlib import Path

import torch

from glance3d.out_of_memory import address_space_limit


def available_memory(device: torch.device) -> int | None:
    """Bytes that could be had now, and those that this process holds; None where nobody says."""
    if device.type == "cuda":
        if not torch.cuda.is_available():  # a plan for another machine
            return None
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device)
    counted = (_system_memory(), _group_memory(), _shell_memory())
    return min((free for free in counted if free is not None), default=None)


def _shell_memory() -> int | None:
    """What a limit of this shell (``ulimit -v``) leaves beside what is only mapped."""
    limit = address_space_limit()
    if limit is None:
        return None
    try:
        mapped, held = Path("/proc/self/statm").read_text(encoding="ascii").split()[:2]
        return limit - (int(mapped) - int(held)) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return limit


def _system_memory() -> int | None:
    """What the machine has left, and what this process holds."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        fields = dict(line.split(":") for line in lines)
        free = int(fields["MemAvailable"].split()[0]) * 1024
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        held = pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, KeyError, ValueError):
        return None
    return free + held


def _group_memory() -> int | None:
    """What the control group of a container lets a process have; None where there is no limit."""
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no group, another system, or "max"
        return None
