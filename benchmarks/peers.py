"""The same cells and steps through what people would pick instead.

    pip install "jax[cpu]" lightning skorch
    python -m benchmarks.peers [--repeats 3] [--batch-size 32] [--steps 300]

27 cells of the digits network, one process and one thread, no evaluation but the last. JAX is
jit(vmap(scan)) over the cells, compiled beforehand, with the same row indices; it is the
yardstick for long packs. A peer that is not installed is left out and named.
"""

import importlib.util
import logging
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from pipeline.lanes.order import Order
from pipeline.lanes.run import Run, train_lanes
from pipeline.params.schedule import Budget
from pipeline.training import seeds
from pipeline.training.dataset import Dataset
from pipeline.training.device import one_thread
from pipeline.training.pack import Pack


def lightning(pack: Pack, data: Dataset) -> None:
    """Lightning's Trainer without logger, checkpoints and bar."""
    from lightning.pytorch import LightningModule, Trainer
    from torch.utils.data import DataLoader, TensorDataset

    class Module(LightningModule):  # type: ignore[misc]
        def __init__(self, network: torch.nn.Module, lr: float) -> None:
            super().__init__()
            self.network, self.lr = network, lr

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=self.lr)

    for cell in pack.cells:
        network = seeds.initial_model(pack.settings.model, data.shape, data.outputs, 0, cell.seed)
        dataset = TensorDataset(data.train.x, data.train.y)
        loader = DataLoader(dataset, pack.batch_size, shuffle=True, drop_last=True)
        Trainer(
            max_steps=pack.steps, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        ).fit(Module(network, cell.lr), loader)  # fmt: skip


def skorch(pack: Pack, data: Dataset) -> None:
    """skorch's NeuralNetClassifier without validation and printing."""
    from skorch import NeuralNetClassifier

    x, y = data.train.x.numpy(), data.train.y.numpy()
    for cell in pack.cells:
        network = seeds.initial_model(pack.settings.model, data.shape, data.outputs, 0, cell.seed)
        NeuralNetClassifier(
            network, criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.SGD, lr=cell.lr,
            batch_size=pack.batch_size, max_epochs=pack.steps // pack.steps_per_epoch,
            train_split=None, verbose=0, iterator_train__shuffle=True,
            iterator_train__drop_last=True,
        ).fit(x, y)  # fmt: skip


def jax_scan(pack: Pack, data: Dataset) -> Callable[[], None]:
    """jit(vmap(scan)), compiled by a first call."""
    import jax
    from jax import numpy as jnp

    x = jnp.asarray(data.train.x.flatten(1).numpy())
    y = jnp.asarray(data.train.y.numpy())
    order = Order(pack, torch.device("cpu"))
    distinct = sorted({cell.seed for cell in pack.cells})
    by_seed = np.stack([order.batch(tuple(distinct), k).numpy() for k in range(pack.steps)], 1)
    rows = jnp.asarray(by_seed[[distinct.index(cell.seed) for cell in pack.cells]])
    rates = jnp.asarray([cell.lr for cell in pack.cells], dtype=jnp.float32)
    models = [
        seeds.initial_model(pack.settings.model, data.shape, data.outputs, 0, cell.seed)
        for cell in pack.cells
    ]
    count = len(list(models[0].parameters()))
    params = [
        jnp.stack([list(model.parameters())[k].detach().numpy() for model in models])
        for k in range(count)
    ]

    def loss(params: Any, x: Any, y: Any) -> Any:
        for k in range(0, count, 2):
            x = x @ params[k].T + params[k + 1]
            x = jax.nn.relu(x) if k < count - 2 else x
        return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1).mean()

    def cell_training(params: Any, rows: Any, lr: Any) -> Any:
        def step(params: Any, batch: Any) -> Any:
            value, gradients = jax.value_and_grad(loss)(params, x[batch], y[batch])
            return [p - lr * g for p, g in zip(params, gradients, strict=True)], value

        return jax.lax.scan(step, params, rows)

    train = jax.jit(jax.vmap(cell_training))
    run = lambda: jax.block_until_ready(train(params, rows, rates))  # noqa: E731
    run()
    return run


def contenders(pack: Pack, data: Dataset) -> dict[str, Callable[[], object]]:
    """Everything that is installed, and both lane engines (compiled ahead by a first run)."""
    found: dict[str, Callable[[], object]] = {
        "traced": lambda: train_lanes(pack, harness.job(data, "traced")),
        "compiled": compiled_ahead(pack, data),
        "DataLoader loop": lambda: harness.user_loops(pack, data, harness.loaded, 1),
    }
    peers = {"lightning": lightning, "skorch": skorch}
    for name, peer in peers.items():
        if importlib.util.find_spec(name):
            found[name] = lambda peer=peer: peer(pack, data)  # type: ignore[misc]
        else:
            print(f"{name}: not installed, left out")
    if importlib.util.find_spec("jax"):
        found["jax"] = jax_scan(pack, data)
    else:
        print("jax: not installed, left out")
    return found


def compiled_ahead(pack: Pack, data: Dataset) -> Callable[[], object]:
    """The compiled engine's steps alone: the step is built, and compiled, once."""
    run = Run(pack, harness.job(data, "compiled"))
    initial = {name: tensor.clone() for name, tensor in run.trainee.lanes.params.items()}
    run.losses_of_steps(range(1, 4))

    def again() -> None:
        for name, tensor in run.trainee.lanes.params.items():
            tensor.copy_(initial[name])
        for first in range(1, pack.steps + 1, run.order.chunk_steps):
            last = min(pack.steps, first + run.order.chunk_steps - 1)
            run.losses_of_steps(range(first, last + 1))

    return again


def main() -> None:
    """Time every contender in turns."""
    parser = harness.arguments(__doc__ or "", 3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core for every contender
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    data = harness.digits()
    epochs = max(1, options.steps // (len(data.train) // options.batch_size))
    budget = Budget(epochs, 2, 2)
    rates = (*harness.RATES[:6], 0.05, 0.2, 0.5)
    pack = harness.make_pack(data, harness.DIGITS_MLP, options.batch_size, rates, 3, budget)
    with one_thread():
        start = time.perf_counter()
        todo = contenders(pack, data)
        print(f"prepared in {time.perf_counter() - start:.0f} s")
        seconds = harness.alternate(todo, options.repeats)
    each = {name: np.median(s) / pack.steps / len(pack.cells) for name, s in seconds.items()}
    rows = [
        {
            "contender": name,
            "µs for a cell and step": f"{each[name] * 1e6:.0f}",
            "against traced": harness.ratio(seconds, name, "traced"),
            "against compiled": harness.ratio(seconds, name, "compiled"),
        }
        for name in seconds
    ]
    title = (
        f"{len(pack.cells)} cells, {pack.steps} steps of batch size {pack.batch_size}, one core, "
        f"medians of {options.repeats} rounds"
    )
    harness.show(title, rows, options.out)


if __name__ == "__main__":
    main()
