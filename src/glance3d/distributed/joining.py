"""How processes that were started together meet: a store, then PyTorch's process group."""

import socket
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from glance3d.distributed.launch import Launch
from glance3d.distributed.lifeline import Lifeline
from glance3d.errors import InputError, RanksError

# Of one collective. Ranks wait for each other through whatever one of them does alone (validation);
# that none of them is dead is the lifeline's care.
COLLECTIVE_PATIENCE = timedelta(hours=6)
_POLL_SECONDS = 0.02

_joined = 0  # groups of this process so far: each has its own keys in a store that outlives it


@dataclass(frozen=True)
class Meeting:
    """What a group of several speaks by: its place, its signs of life, and collectives by device.

    ``owned``: the process group was made here, and ends with the group.
    """

    launch: Launch
    lifeline: Lifeline
    store: Any
    by_device: dict[str, Any]
    owned: bool


def meet(launch: Launch, timeout: float) -> Meeting:
    """Wait until all ranks are there.

    Raises:
        InputError: this build of PyTorch has no ``torch.distributed``.
        RanksError: not all came in time.
    """
    if not distributed.is_available():
        raise InputError(
            f"a group of {launch.size} processes needs torch.distributed, which this build of "
            "PyTorch lacks: run one process, or install another build"
        )
    if distributed.is_initialized():
        return _adopted(launch, timeout)
    global _joined
    _joined += 1
    prefix = f"glance3d/{launch.attempt}/{_joined}"
    base = _store(launch, timeout)
    store = distributed.PrefixStore(prefix, base)
    lifeline = _all_present(launch, store, distributed.PrefixStore(prefix, _again(base)), timeout)
    on_gpu = torch.cuda.is_available() and distributed.is_nccl_available()
    if on_gpu:
        torch.cuda.set_device(local_gpu(launch))
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        store=distributed.PrefixStore("torch", store),
        rank=launch.rank,
        world_size=launch.size,
        timeout=COLLECTIVE_PATIENCE,
    )
    lifeline.start()
    whole = distributed.group.WORLD
    return Meeting(launch, lifeline, store, {"cpu": whole, "cuda": whole}, owned=True)


def local_gpu(launch: Launch) -> int:
    """The GPU of this process: its own, the only one that its launcher shows it, or none is left.

    Raises:
        InputError: there are more processes on this machine than GPUs.
    """
    count = torch.cuda.device_count()
    if launch.local_rank < count:
        return launch.local_rank
    if count == 1:
        return 0
    raise InputError(
        f"process {launch.local_rank + 1} of this machine has no GPU of its own, there are "
        f"{count}: start at most {count} on each machine"
    )


def _adopted(launch: Launch, timeout: float) -> Meeting:
    """The process group that a trainer of Ray, or the caller, has made already."""
    global _joined
    _joined += 1
    rank, size = distributed.get_rank(), distributed.get_world_size()
    launch = replace(launch, rank=rank, size=size, launcher=launch.launcher or "the caller")
    base = distributed.distributed_c10d._get_default_store()
    store = distributed.PrefixStore(f"glance3d/adopted/{_joined}", base)
    whole = distributed.group.WORLD
    by_device: dict[str, Any] = {"cpu": whole, "cuda": whole}
    if "gloo" not in str(distributed.get_backend_config()):
        by_device["cpu"] = distributed.new_group(backend="gloo", timeout=COLLECTIVE_PATIENCE)
    lifeline = _all_present(launch, store, store, timeout)
    lifeline.start()
    return Meeting(launch, lifeline, store, by_device, owned=False)


def _store(launch: Launch, timeout: float) -> Any:
    """A table that all ranks reach; rank 0 keeps it, where the launcher does not."""
    hosts = launch.rank == 0 and not launch.is_hosted
    try:
        return distributed.TCPStore(
            launch.address,
            launch.port,
            is_master=hosts,
            wait_for_workers=False,
            timeout=timedelta(seconds=timeout),
        )
    except (RuntimeError, ValueError) as error:
        place = f"{launch.address}:{launch.port}"
        if hosts:
            raise RanksError(
                f"rank 0 cannot listen at {place}, where another program may be: name another "
                f"port (MASTER_PORT), or the address of this machine, {socket.gethostname()}"
            ) from error
        raise RanksError(
            f"rank {launch.rank} of {launch.size} found nobody at {place} within {timeout:g} s: "
            "see that rank 0 is started, and that MASTER_ADDR and MASTER_PORT say where"
        ) from error


def _again(store: Any) -> Any:
    """A connection of its own to the same store: calls of one connection wait for each other."""
    return distributed.TCPStore(store.host, store.port, is_master=False, wait_for_workers=False)


def _all_present(launch: Launch, store: Any, watched: Any, timeout: float) -> Lifeline:
    lifeline = Lifeline(watched, launch.rank, launch.size, timeout)
    until = time.monotonic() + timeout
    try:
        while missing := lifeline.missing():
            if time.monotonic() > until:
                names = ", ".join(map(str, missing[:8])) + (" ..." if len(missing) > 8 else "")
                raise RanksError(
                    f"{len(missing)} of {launch.size} processes did not come to {launch.address}:"
                    f"{launch.port} within {timeout:g} s (rank {names}): start all of them"
                )
            time.sleep(_POLL_SECONDS)
        # Who leaves early must not take the store along before the others have seen all.
        store.add("present", 1)
        while launch.rank == 0 and store.add("present", 0) < launch.size:
            if time.monotonic() > until + timeout:
                break
            time.sleep(_POLL_SECONDS)
    except RuntimeError as error:
        raise RanksError(
            f"rank 0 of {launch.size} ended before all had come: see what it said, and start again"
        ) from error
    return lifeline
