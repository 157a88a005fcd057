"""A plain PyTorch loop on handwritten digits, one call for each training."""

import argparse
import csv
import time

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--batch-size", type=int, required=True)
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--out", required=True)
args = parser.parse_args()

torch.set_num_threads(1)
images, labels = load_digits(return_X_y=True)
x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
train, val = order[:1078], order[1078:]

torch.manual_seed(args.seed)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.AdamW(model.parameters(), args.lr)
loader = DataLoader(
    TensorDataset(x[train], y[train]), args.batch_size, shuffle=True, drop_last=True
)
start, step, due = time.perf_counter(), 0, 1.0
with open(args.out, "w", newline="", buffering=1) as file:  # a row for each evaluation, at once
    table = csv.writer(file)
    table.writerow(["step", "val_loss", "val_score", "seconds"])
    while step < args.steps:
        for inputs, targets in loader:
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step >= due or step == args.steps:  # a tenth more steps than the last time
                with torch.no_grad():
                    scores = model(x[val])
                val_loss = nn.functional.cross_entropy(scores, y[val]).item()
                val_score = (scores.argmax(1) == y[val]).float().mean().item()
                table.writerow([step, val_loss, val_score, time.perf_counter() - start])
                due = max(step + 1, 1.1 * step)
            if step == args.steps:
                break
