"""What stays the same from piece to piece of one training."""

from dataclasses import dataclass, field

from pipeline.executors.processes import OnDone
from pipeline.lanes.checkpoint import Checkpoint, Store
from pipeline.lanes.interpreter import Program
from pipeline.lanes.plan import Plan
from pipeline.training.dataset import Dataset
from pipeline.training.pack import Pack


@dataclass(frozen=True)
class Job:
    """How to train, on what, and who hears of it.

    on_steps: hears how many steps of cells were just done. store: where checkpoints lie, or None
    for none. programs: by lanes, batch size and micro-batches, which pieces of a pack share.
    """

    data: Dataset
    plan: Plan
    on_steps: OnDone
    store: Store | None = None
    programs: dict[tuple[int, int, int], Program] = field(default_factory=dict)

    def checkpoint(self, pack: Pack) -> Checkpoint | None:
        """The checkpoint of a piece trained by this plan."""
        if self.store is None:
            return None
        plan, device = self.plan, self.data.train.x.device.type
        how = (plan.engine, plan.micro_batches, plan.fewest, device)
        return self.store.checkpoint(pack, *how)
