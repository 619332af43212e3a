import pytest

from glance3d.distributed import Group, Launch, read_launch
from glance3d.distributed.launch import first_host
from glance3d.errors import InputError

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "gpu01",
    "MASTER_PORT": "1234",
    "TORCHELASTIC_RUN_ID": "none",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RESTART_COUNT": "2",
}
SRUN = {
    "SLURM_JOB_ID": "20001",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "2",
    "SLURM_NTASKS": "5",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "1",
    "SLURM_STEP_TASKS_PER_NODE": "2,3",
    "SLURM_NODELIST": "gpu[07-09,12],login",
}


def test_nothing_set_is_a_process_alone():
    assert read_launch({}) == Launch()
    group = Group()
    assert (group.rank, group.size, group.is_first) == (0, 1, True)


def test_what_torchrun_sets():
    wanted = Launch(5, 8, 1, 4, "gpu01", 1234, "torchrun", is_hosted=True, attempt=2)
    assert read_launch(TORCHRUN) == wanted


def test_what_a_trainer_of_ray_sets():
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    launch = read_launch({name: TORCHRUN[name] for name in names})
    assert (launch.rank, launch.size, launch.local_rank, launch.is_hosted) == (5, 8, 1, False)


def test_what_srun_sets():
    wanted = Launch(2, 5, 0, 3, "gpu07", 15001, "srun")
    assert read_launch(SRUN) == wanted
    elsewhere = {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "7"}
    launch = read_launch(SRUN | elsewhere)
    assert (launch.address, launch.port) == ("10.0.0.1", 7)


def test_the_shell_of_a_batch_script_is_a_process_alone():
    shell = {name: value for name, value in SRUN.items() if name != "SLURM_STEP_ID"}
    assert read_launch(shell) == Launch()


@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        ("gpu[01-03,7],login", "gpu01"),
        ("a1,b[2-3]", "a1"),
        ("node-[5,9]-ib", "node-5-ib"),
        ("localhost", "localhost"),
    ],
)
def test_the_first_machine_of_a_short_list(nodes: str, host: str):
    assert first_host(nodes) == host


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"RANK": "one", "WORLD_SIZE": "2", "MASTER_ADDR": "a"}, "RANK"),
        ({"RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "a"}, "rank"),
        ({"RANK": "1", "WORLD_SIZE": "2"}, "MASTER_ADDR"),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, "SLURM_NODELIST"),
        (SRUN | {"SLURM_NODELIST": "[1-2]"}, "list of machines"),
    ],
)
def test_what_cannot_be_is_refused(environ: dict[str, str], word: str):
    with pytest.raises(InputError, match=word):
        read_launch(environ)
