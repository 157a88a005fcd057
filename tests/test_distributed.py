"""Processes that share a batch."""

from dataclasses import replace

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


def test_powers_of_two_are_measured() -> None:
    assert [distributed.powers(count) for count in (1, 2, 4, 8)] == [[], [2], [2, 4], [2, 4, 8]]
    with pytest.raises(InputError, match=r"data_parallel\.processes: 6 is none of 1, 2, 4, 8"):
        DataParallel(processes=6)


@pytest.mark.slow
def test_every_batch_that_gives_each_process_an_example_is_timed(built: Project) -> None:
    heard: list[int] = []
    folder, cpu = built.folder / "data/processed", torch.device("cpu")
    table = distributed.measure(SETTINGS, folder, cpu, 2, [1, 3, 4, 16], 2, HOW, heard.append)
    assert tuple(table) == COLUMNS
    assert heard == [1]
    assert table["batch_size"].tolist() == [4, 16]
    assert table["local_batch_size"].tolist() == [2, 8]
    assert (table["devices"] == 2).all()
    assert (table["blocks"] == 3).all()
    assert (table["seconds_all_reduce"] > 0).all()
    assert (table["seconds_per_step_q25"] <= table["seconds_per_step"]).all()


@pytest.mark.slow
def test_what_a_process_fails_at_is_told(built: Project) -> None:
    folder, cpu = built.folder / "data/processed", torch.device("cpu")
    normed = replace(SETTINGS, model=Model("mlp", [8], norm="batch"))
    with pytest.raises(
        InputError, match=r"data_parallel\.processes: 2: Expected more than 1 value"
    ):
        distributed.measure(normed, folder, cpu, 2, [2], 1, HOW, lambda _: None)


def test_more_processes_than_gpus_are_refused(built: Project) -> None:
    folder, gpu = built.folder / "data/processed", torch.device("cuda")
    with pytest.raises(InputError, match=r"data_parallel\.processes: 128 is more than"):
        distributed.measure(SETTINGS, folder, gpu, 128, [128], 1, HOW, lambda _: None)


def test_another_program_shares_batches_itself() -> None:
    command = "p {batch_size} {lr} {seed} {steps} {out}"
    with pytest.raises(InputError, match=r"data_parallel\.processes: 2 is for trainer=lanes"):
        Params(
            trainer=Trainer("command", command, train_examples=99),
            data_parallel=DataParallel(processes=2),
        )
