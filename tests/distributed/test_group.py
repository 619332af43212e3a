import os
import signal
import time

import pytest
import torch

from glance3d.distributed import Group, Launch
from glance3d.distributed.views import ViewShare
from glance3d.errors import InputError, RanksError
from tests.conftest import PATIENCE
from tests.distributed.processes import Processes, environment, free_port, hasten, in_ranks

SIZE = 3


def say_everything(group: Group) -> dict:
    """All that ranks say to each other; rank r has r + 1 rows of r, rank 2 none."""
    counts = (1, 2, 0)
    part = torch.full((2, max(1, counts[group.rank]), 3), float(group.rank), dtype=torch.bfloat16)
    turns = [
        (int(rows[0, 0, 0]), rows.shape[1], int(double[0, 0, 0]))
        for rows, double in group.rotated((part, 2 * part), counts)
    ]
    return {
        "gathered": group.gathered(part, counts),
        "even": group.gathered(torch.tensor([[group.rank]]), (1, 1, 1), dim=0),
        "turns": turns,
        "first": group.from_first(torch.tensor([group.rank + 7])),
        "number": group.number_of_first(group.rank + 0.5),
        "most": group.most(float(group.rank), float(-group.rank)),
        "added": group.added(torch.tensor([1.0, group.rank])),
        "order": group.after_first(lambda: time.monotonic()),
    }


@pytest.mark.long
def test_what_ranks_say_to_each_other():
    said = in_ranks(SIZE, say_everything)
    for rank, values in enumerate(said):
        assert values["gathered"].dtype == torch.bfloat16
        assert values["gathered"][:, :, 0].tolist() == [[0, 1, 1]] * 2
        assert values["even"].tolist() == [[0], [1], [2]]
        expected = [(0, 1, 0), (1, 2, 2)]
        assert sorted(values["turns"]) == expected
        assert rank == 2 or values["turns"][0] == expected[rank]  # its own first
        assert values["first"].tolist() == [7]
        assert values["number"] == 0.5
        assert values["most"] == (2, 0)
        assert values["added"].tolist() == [3, 3]
    assert said[0]["order"] < min(said[1]["order"], said[2]["order"])


def test_a_group_of_one_says_nothing():
    group, part = Group(), torch.zeros(1, 1)
    assert group.gathered(part, (1,)) is part
    assert group.from_first(part) is part
    assert group.most(0.0, 1.0) == (0.0, 1.0)


def test_views_are_shared_evenly():
    for size in (1, 2, 3, 5):
        for num_views in (1, 2, 3, 7):
            shares = [ViewShare(rank_of(rank, size), num_views) for rank in range(size)]
            views = [
                view
                for share in shares
                for view in list(range(num_views))[share.own][: share.counts[share.group.rank]]
            ]
            assert views == list(range(num_views))
            assert max(shares[0].counts) - min(shares[0].counts) <= 1
            assert all(len(list(range(num_views))[share.own]) for share in shares)


def rank_of(rank: int, size: int) -> Group:
    return Group(Launch(rank, size))


def die_or_gather(group: Group, how: str) -> None:
    hasten(group)
    group.wait_for_all()
    if group.rank == 1:
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "silent":
            os.kill(os.getpid(), signal.SIGSTOP)
        raise ValueError("the photo is upside down")
    group.gathered(torch.zeros(1, 1), (1,) * group.size)


def test_a_rank_that_fails_tells_the_others_why():
    first, failed, last = Processes(SIZE, die_or_gather, "failed").results()
    assert isinstance(failed, ValueError)
    for error in (first, last):
        assert isinstance(error, RanksError)
        assert str(error) == "rank 1 of 3 ended: the photo is upside down"


def test_a_killed_rank_is_named():
    first, killed, last = Processes(SIZE, die_or_gather, "killed").results()
    assert killed is None
    for error in (first, last):
        assert isinstance(error, RanksError)
        assert "rank 1 of 3 ended: it was killed" in str(error)
        assert "\n" not in str(error)


@pytest.mark.long
def test_a_silent_rank_ends_the_others():
    ranks = Processes(SIZE, die_or_gather, "silent")
    first, last = ranks.processes[0], ranks.processes[2]
    first.join(PATIENCE)
    last.join(PATIENCE)
    assert (first.exitcode, last.exitcode) == (1, 1)
    silent = ranks.processes[1].pid
    assert silent is not None
    os.kill(silent, signal.SIGKILL)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e300"])
def test_a_time_that_nobody_can_wait_is_refused(monkeypatch, seconds: str):
    monkeypatch.setenv("GLANCE3D_RANKS_TIMEOUT", seconds)
    with pytest.raises(InputError, match="timeout of a group must be above 0 and at most 604800"):
        Group.from_env()


def test_a_rank_that_does_not_come_is_named(monkeypatch):
    for name, value in environment(0, 2, free_port()).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RanksError, match=r"1 of 2 processes did not come .* \(rank 1\)"):
        Group.from_env(timeout=0.5)
