"""Processes that share a batch."""

import pytest
import torch

from makers.project import Project
from pipeline import distributed
from pipeline.distributed import COLUMNS
from pipeline.errors import InputError
from pipeline.params.load import Params
from pipeline.params.network import Model
from pipeline.params.protocol import DataParallel, Throughput
from pipeline.params.settings import Settings
from pipeline.params.trainer import Trainer

SETTINGS = Settings(model=Model("mlp", [8]), lr=(0.1,))
HOW = Throughput(blocks=3, block_seconds=0.001)


def test_powers_of_two_are_measured_and_the_number_that_is_asked_for() -> None:
    assert [distributed.powers(count) for count in (2, 3, 4, 6)] == [
        [2], [2, 3], [2, 4], [2, 4, 6],
    ]  # fmt: skip


@pytest.mark.slow
def test_every_batch_that_gives_each_process_an_example_is_timed(built: Project) -> None:
    heard: list[int] = []
    folder, cpu = built.folder / "data/processed", torch.device("cpu")
    table = distributed.measure(SETTINGS, folder, cpu, 2, [1, 3, 16], HOW, heard.append)
    assert tuple(table) == COLUMNS
    assert heard == [1]
    assert table["batch_size"].tolist() == [3, 16]
    assert table["local_batch_size"].tolist() == [2, 8]
    assert (table["devices"] == 2).all()
    assert (table["blocks"] == 3).all()
    assert (table["seconds_all_reduce"] > 0).all()
    assert (table["seconds_per_step_q25"] <= table["seconds_per_step"]).all()


def test_more_processes_than_gpus_are_refused(built: Project) -> None:
    folder, gpu = built.folder / "data/processed", torch.device("cuda")
    with pytest.raises(InputError, match=r"data_parallel\.processes: 99 is more than the \d+ GPUs"):
        distributed.measure(SETTINGS, folder, gpu, 99, [128], HOW, lambda _: None)


def test_another_program_shares_batches_itself() -> None:
    command = "p {batch_size} {lr} {seed} {steps} {out}"
    with pytest.raises(InputError, match=r"data_parallel\.processes: 2 is for trainer=lanes"):
        Params(
            trainer=Trainer("command", command, train_examples=99),
            data_parallel=DataParallel(processes=2),
        )
