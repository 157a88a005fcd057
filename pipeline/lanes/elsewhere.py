"""A pack over the nodes of a cluster: in slices as over processes, with the same bits."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.executors.executor import Executor, Link, Work
from pipeline.lanes import workers
from pipeline.lanes.checkpoint import Store
from pipeline.lanes.job import Job
from pipeline.lanes.pieces import train_pieces
from pipeline.lanes.plan import Plan, make_plan
from pipeline.params.load import Params
from pipeline.params.protocol import Impl
from pipeline.training import dataset
from pipeline.training.dataset import Dataset
from pipeline.training.device import device, one_thread
from pipeline.training.pack import Pack, Trained, interleaved
from pipeline.workspace import files


@dataclass(frozen=True)
class Slice:
    """Cells of a pack to train on a node, which loads the data itself."""

    pack: Pack
    plan: Plan
    device: str
    store: Store

    def __call__(self, link: Link) -> Trained:
        """The training, from what an earlier attempt has kept."""
        data = loaded(self.pack, self.device)
        job = Job(data, self.plan, link.on_done, replace(self.store, link=link))
        with one_thread():
            return train_pieces(self.pack, job)


@dataclass(frozen=True)
class Planning:
    """A pack to plan on a node."""

    pack: Pack
    impl: Impl

    def __call__(self, _: Link) -> Plan:
        """The plan for the node's device."""
        return make_plan(self.pack, loaded(self.pack, self.impl.device_there), self.impl)


def loaded(pack: Pack, name: str) -> Dataset:
    """The data of a pack on a device of this node."""
    return dataset.load(files.PROCESSED, pack.settings.scaling, device(name))


def spread(
    pack: Pack,
    job: Job,
    executor: Executor,
    params: Params,
    label: str,
    is_over: Callable[[], bool],
) -> Trained:
    """Train the pack over ``slice_count`` tasks; every k-th cell goes to the k-th.

    Raises what a task raised, EnoughError where it is over before, and InputError where there are
    no nodes for them.
    """
    cells, store = len(pack.cells), job.store
    assert store is not None
    count = slice_count(job.plan, cells)
    slices = [
        Slice(pack.part(range(k, cells, count)), job.plan, params.impl.device_there, store)
        for k in range(count)
    ]
    work = Work(label, slices, files.of_trainings(params), [store.files], is_over)
    return interleaved(executor.run(work, job.on_steps))


def planned(pack: Pack, data: Dataset, params: Params, executor: Executor) -> Plan:
    """How nodes train the pack: on CPUs as this machine would, so that the bits are its own, on
    GPUs as a node plans it; in slices of no fewer cells than train as fast as one."""
    if params.impl.resources.gpus:
        work = Work("plan", [Planning(pack, params.impl)], files.of_trainings(params))
        (plan,) = executor.run(work, lambda _: None)
    else:
        plan = workers.planned(pack, data, params.impl)
    asked = params.impl.workers
    plan = replace(plan, workers=executor.slots() if asked == "auto" else int(asked))
    return replace(plan, workers=slice_count(plan, len(pack.cells)))


def slice_count(plan: Plan, cells: int) -> int:
    """In how many slices so many cells are cut, added rates of a pack among them, which are fewer
    than those that the plan was made for."""
    return max(1, min(plan.workers, cells // plan.fewest))
