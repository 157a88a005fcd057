"""A Lightning module on handwritten digits, one call for each training."""

import argparse
import csv
import time

import lightning
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--batch-size", type=int, required=True)
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--out", required=True)
args = parser.parse_args()

images, labels = load_digits(return_X_y=True)
x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
train, val = order[:1078], order[1078:]


class Classifier(lightning.LightningModule):
    """A small network, trained by momentum."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """The loss of a batch."""
        inputs, targets = batch
        return nn.functional.cross_entropy(self.net(inputs), targets)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Momentum."""
        return torch.optim.SGD(self.parameters(), args.lr, momentum=0.9)


class Table(lightning.Callback):
    """Write a row whenever a tenth more steps than the last time are done."""

    def __init__(self, out: csv.writer) -> None:
        self.out, self.due, self.start = out, 1.0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Classifier, *_: object
    ) -> None:
        """Evaluate where it is due."""
        step = trainer.global_step
        if step >= self.due or step == args.steps:
            with torch.no_grad():
                loss = nn.functional.cross_entropy(pl_module.net(x[val]), y[val]).item()
            self.out.writerow([step, loss, time.perf_counter() - self.start])
            self.due = max(step + 1, 1.1 * step)


if __name__ == "__main__":
    torch.set_num_threads(1)
    lightning.seed_everything(args.seed)
    loader = DataLoader(
        TensorDataset(x[train], y[train]), args.batch_size, shuffle=True, drop_last=True
    )
    with open(args.out, "w", newline="", buffering=1) as file:
        table = csv.writer(file)
        table.writerow(["step", "val_loss", "seconds"])
        trainer = lightning.Trainer(
            max_steps=args.steps, accelerator="cpu", callbacks=[Table(table)], logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(Classifier(), loader)
