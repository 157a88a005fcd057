"""Which engine, how many lanes, with which memory."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from makers.data import MakeData, text_dataset
from makers.packs import lanes, make_pack
from pipeline.errors import InputError
from pipeline.lanes import plan
from pipeline.lanes.lanes import FEWEST
from pipeline.lanes.plan import lane_bytes, make_plan
from pipeline.params.network import Model
from pipeline.params.optimizer import Optimizer
from pipeline.params.protocol import Impl
from pipeline.params.schedule import Budget, Schedule
from pipeline.training.dataset import Dataset
from pipeline.training.memory import peak_bytes
from pipeline.training.pack import Pack


class TestChoice:
    def test_short_packs_are_traced(self, make_data: MakeData) -> None:
        made = make_plan(make_pack(), make_data(), Impl())
        assert made.engine == "traced"
        assert "compiling costs more" in made.reason

    def test_long_packs_are_compiled_if_there_is_a_compiler(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pack = make_pack(budget=Budget(1, 10_000_000, 6))
        monkeypatch.setattr(plan, "compiler", lambda: "g++")
        assert make_plan(pack, make_data(), Impl()).engine == "compiled"
        monkeypatch.setattr(plan, "compiler", lambda: None)
        made = make_plan(pack, make_data(), Impl())
        assert made.engine == "traced"
        assert made.reason == "compiling would pay, but there is no C++ compiler"

    def test_the_processes_do_not_change_the_choice(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bits would hang on how many cores there are."""
        monkeypatch.setattr(plan, "compiler", lambda: "g++")
        data = make_data()
        chosen = set()
        for seconds in np.geomspace(1, 100, 9):
            monkeypatch.setattr(plan, "COMPILE_SECONDS", seconds)
            pack = make_pack(seeds=tuple(range(40)), budget=Budget(1, 100_000, 6))
            made = [make_plan(pack, data, Impl(workers=workers)) for workers in (1, 2, 16)]
            assert len({each.engine for each in made}) == 1
            chosen.add(made[0].engine)
        assert chosen == {"traced", "compiled"}

    def test_what_is_asked_for_is_done(self, make_data: MakeData) -> None:
        for engine in ("loop", "traced", "compiled"):
            made = make_plan(make_pack(), make_data(), Impl(engine=engine))
            assert (made.engine, made.reason) == (engine, "asked for")

    @pytest.mark.usefixtures("own_module")
    def test_a_model_that_cannot_be_lanes_says_why(self, make_data: MakeData) -> None:
        made = make_plan(make_pack(model=Model("own_module:branching")), make_data(), Impl())
        assert made.engine == "loop"
        assert made.reason.startswith("own_module:branching cannot be batched over lanes: ")
        batched = make_plan(make_pack(model=Model("own_module:build")), make_data(), Impl())
        assert batched.engine == "traced"

    @pytest.mark.usefixtures("own_module")
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("own_module:missing", "cannot be imported"),
            ("no_such_module:build", "cannot be imported"),
            ("own_module:no_model", "returned int"),
        ],
    )
    def test_a_broken_factory_is_named(self, make_data: MakeData, name: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            make_plan(make_pack(model=Model(name)), make_data(), Impl())


def test_what_a_step_takes_hangs_on_the_pack_alone(make_data: MakeData) -> None:
    """Where a race is looked at hangs on it, and so do its bytes."""

    def core_seconds(cells: int, batch_size: int, **impl: object) -> float:
        made = make_pack(seeds=tuple(range(cells)))
        pack = Pack(made.settings, batch_size, made.examples, made.cells)
        return make_plan(pack, make_data(), Impl(**impl)).core_seconds_per_step  # type: ignore[arg-type]

    assert core_seconds(4, 4) == 2 * core_seconds(2, 4) > 2 * plan.CELL_SECONDS
    assert core_seconds(4, 32) > core_seconds(4, 4)
    for impl in ({"workers": 1}, {"workers": 8}, {"engine": "loop"}, {"engine": "compiled"}):
        assert core_seconds(4, 32, **impl) == core_seconds(4, 32)


def test_bfloat16_trains_in_the_loop_of_a_cpu(make_data: MakeData) -> None:
    """A lane's bits depend on its neighbours there."""
    made = make_plan(make_pack(model=Model("linear", precision="bfloat16")), make_data(), Impl())
    assert made.engine == "loop"
    assert made.reason.startswith("bfloat16 on a CPU")


def test_transformers_of_long_steps_train_in_the_loop() -> None:
    model = Model("transformer", [], "gelu", layers=1, heads=1, width=16)
    data = text_dataset(2048)
    pack = replace(make_pack(model=model), snapshots=(), examples=2048)
    chosen = {
        size: make_plan(replace(pack, batch_size=size), data, Impl()).engine for size in (4, 2048)
    }
    assert chosen == {4: "traced", 2048: "loop"}
    asked = make_plan(replace(pack, batch_size=2048), data, Impl(engine="traced"))
    assert asked.engine == "traced"


@pytest.mark.parametrize(
    ("norm", "engine"), [("batch", "loop"), ("ghost", "traced"), ("none", "traced")]
)
def test_batch_norms_of_long_steps_train_in_the_loop(
    make_data: MakeData, monkeypatch: pytest.MonkeyPatch, norm: str, engine: str
) -> None:
    pack, data = make_pack(model=Model("mlp", [8, 5], norm=norm, ghost_size=4)), make_data()
    step = lane_bytes(pack, data, 1).step
    for limit, expected in ((step - 1, engine), (step, "traced")):
        monkeypatch.setattr(plan, "BATCH_NORM_LOOP_BYTES", limit)
        assert make_plan(pack, data, Impl()).engine == expected


def test_compiling_for_every_piece_counts(
    make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of as many lanes as fit the cache, compiling is dearer than of all at once."""
    pack, data = make_pack(seeds=tuple(range(64)), budget=Budget(1, 100_000, 6)), make_data()
    monkeypatch.setattr(plan, "compiler", lambda: "g++")
    monkeypatch.setattr(plan, "SAVED_SECONDS_PER_STEP", 4e-4)
    assert make_plan(pack, data, Impl(workers=1)).engine == "compiled"
    monkeypatch.setattr(plan, "AGAIN_SECONDS", 1e6)
    assert make_plan(pack, data, Impl(workers=1)).engine == "compiled"
    monkeypatch.setattr(plan, "CACHE_BYTES", lane_bytes(pack, data, 1).working)
    assert make_plan(pack, data, Impl(workers=1)).engine == "traced"


class TestAlone:
    """Lanes of long steps train one by one, by the pack alone: their bits are a lone lane's."""

    def planned(self, pack: Pack, data: Dataset, **impl: object) -> tuple[int, int]:
        made = make_plan(pack, data, Impl(**impl))  # type: ignore[arg-type]
        return made.fewest, made.lanes_at_once

    @pytest.mark.parametrize("cells", [1, 2, 40])
    @pytest.mark.parametrize("workers", [1, 8])
    def test_where_a_step_works_on_much(
        self, make_data: MakeData, cells: int, workers: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pack, data = make_pack(seeds=tuple(range(cells)), rates=(0.1,)), make_data()
        working = lane_bytes(pack, data, 1).working
        monkeypatch.setattr(plan, "CACHE_BYTES", working - 1)
        assert self.planned(pack, data, workers=workers) == (1, 1)
        monkeypatch.setattr(plan, "CACHE_BYTES", working)
        assert self.planned(pack, data, workers=workers) == (FEWEST, FEWEST)

    def test_the_optimizers_state_counts(self, make_data: MakeData) -> None:
        """What a step reads and writes anew pushes other lanes out of the cache."""

        def at_once(optimizer: Optimizer) -> int:
            model, seeds = Model("mlp", [256, 256]), tuple(range(40))
            pack = make_pack(seeds=seeds, model=model, optimizer=optimizer)
            return self.planned(pack, make_data(), workers=1)[1]

        weights = 4 * (6 * 256 + 256 + 256 * 256 + 256 + 256 * 3 + 3)
        few = plan.CACHE_BYTES // (2 * weights)
        assert at_once(Optimizer("adam")) in (few, few - 1)
        assert at_once(Optimizer("sgd")) > at_once(Optimizer("sgd", 0.9)) > few

    def test_memory_neither_joins_nor_parts_them(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where a lane fits once, its batch stays whole."""
        pack, data = replace(make_pack(), snapshots=(), batch_size=64), make_data()
        lane = lane_bytes(pack, data, 1)
        monkeypatch.setattr(plan, "CACHE_BYTES", lane.working - 1)
        for share in (1.01, 100):
            monkeypatch.setattr(plan, "free_bytes", lambda _, s=share: s * lane.total / 0.8)
            assert self.planned(pack, data, workers=1) == (1, 1)
            assert make_plan(pack, data, Impl(workers=1)).micro_batches == 1

    def test_a_batch_that_grows_is_judged_by_its_largest(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = make_data(examples=512)
        steady = replace(make_pack(), snapshots=(), examples=512)
        schedule = Schedule("growth", milestones=[0.3, 0.6], factor=0.2)
        growing = replace(steady, settings=replace(steady.settings, schedule=schedule))
        monkeypatch.setattr(plan, "CACHE_BYTES", lane_bytes(steady, data, 1).working)
        assert self.planned(steady, data)[0] == FEWEST
        assert self.planned(growing, data)[0] == 1

    def test_so_do_those_whose_loop_does_not_fit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        model = Model("transformer", [], "gelu", layers=1, heads=1, width=16)
        data = text_dataset(2048)
        pack = replace(make_pack(model=model), snapshots=(), examples=2048, batch_size=2048)
        lane = lane_bytes(pack, data, 1)
        monkeypatch.setattr(plan, "free_bytes", lambda _: lane.total)
        made = make_plan(pack, data, Impl(workers=1))
        assert (made.engine, made.lanes_at_once) == ("traced", 1)
        assert made.micro_batches > 1


class TestMemory:
    def test_a_lane_takes_at_least_its_weights_and_state(self, make_data: MakeData) -> None:
        weights = 4 * (6 * 100 + 100 + 100 * 3 + 3)
        for optimizer, copies in (("sgd", 6), ("adam", 8)):
            pack = make_pack(model=Model("mlp", [100]), optimizer=Optimizer(optimizer))
            assert lane_bytes(pack, make_data(), 1).held == copies * weights

    def test_smaller_batches_take_less(self, make_data: MakeData) -> None:
        pack = replace(make_pack(), snapshots=(), batch_size=64)
        steps = [lane_bytes(pack, make_data(), micro).step for micro in (1, 2, 4)]
        assert steps == sorted(steps, reverse=True)

    @pytest.mark.parametrize("batch_size", [8, 64, 512])
    @pytest.mark.parametrize("optimizer", ["sgd", pytest.param("adam", marks=pytest.mark.slow)])
    def test_a_training_stays_near_the_prediction(
        self, make_data: MakeData, batch_size: int, optimizer: str
    ) -> None:
        data = make_data(examples=2048)
        rates = tuple(0.001 * k for k in range(1, 9))
        chosen = {"model": Model("mlp", [64, 64]), "optimizer": Optimizer(optimizer)}
        pack = make_pack(rates, (0,), budget=Budget(1, 4, 2), **chosen)
        pack = replace(pack, snapshots=(), batch_size=batch_size, examples=2048)
        predicted = 8 * lane_bytes(pack, data, 1).total + data.train.x.nbytes
        found = peak_bytes(lambda: lanes(pack, data), torch.device("cpu"))
        assert 0.5 <= found / predicted <= 1.5

    def test_little_memory_means_fewer_lanes_then_micro_batches(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pack, data = replace(make_pack(), snapshots=(), batch_size=64), make_data()
        lane = lane_bytes(pack, data, 1).total

        def planned(free: float) -> tuple[int, int]:
            monkeypatch.setattr(plan, "free_bytes", lambda _: free)
            made = make_plan(pack, data, Impl(workers=1))
            return made.lanes_at_once, made.micro_batches

        assert planned(1e12) == (6, 1)
        assert planned(4.1 * lane / plan.USABLE_MEMORY) == (4, 1)
        at_once, micro = planned(1.5 * lane / plan.USABLE_MEMORY)
        assert at_once == 2
        assert micro > 1
