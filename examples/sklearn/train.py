"""scikit-learn's MLPClassifier on handwritten digits, one call for each training."""

import argparse
import csv
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

parser = argparse.ArgumentParser()
parser.add_argument("--batch-size", type=int, required=True)
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--out", required=True)
args = parser.parse_args()

threadpool_limits(1)  # a small network's products are too small to share
x, y = load_digits(return_X_y=True)
x_train, x_val, y_train, y_val = train_test_split(x / 16, y, test_size=0.4, random_state=0)
model = MLPClassifier(
    (64,), solver="sgd", momentum=0.9, learning_rate_init=args.lr, random_state=args.seed
)
rng = np.random.default_rng(args.seed)
start, step, due = time.perf_counter(), 0, 1.0
with open(args.out, "w", newline="", buffering=1) as file:  # a row for each evaluation, at once
    table = csv.writer(file)
    table.writerow(["step", "val_loss", "val_score", "seconds"])
    while step < args.steps:
        order = rng.permutation(len(x_train))
        for first in range(0, len(order) - args.batch_size + 1, args.batch_size):
            rows = order[first : first + args.batch_size]
            model.partial_fit(x_train[rows], y_train[rows], classes=np.unique(y))
            step += 1
            if step >= due or step == args.steps:  # a tenth more steps than the last time
                loss = log_loss(y_val, model.predict_proba(x_val))
                score = model.score(x_val, y_val)
                table.writerow([step, loss, score, time.perf_counter() - start])
                due = max(step + 1, 1.1 * step)
            if step == args.steps:
                break
