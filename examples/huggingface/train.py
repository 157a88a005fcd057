"""Hugging Face's Trainer on a small GPT-2 from its config, one call for each training.

The text counts on by a hidden step; nothing is downloaded.
"""

import argparse
import csv
import time

import torch
from torch.utils.data import Dataset
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

parser = argparse.ArgumentParser()
parser.add_argument("--batch-size", type=int, required=True)
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--out", required=True)
args = parser.parse_args()

LENGTH, TOKENS = 12, 17


class Counting(Dataset):
    """Sequences that count on from any number by any step, modulo TOKENS."""

    def __init__(self, first: int, last: int) -> None:
        rows = torch.cartesian_prod(torch.arange(TOKENS), torch.arange(1, TOKENS))
        rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
        start, pace = rows[first:last, :1], rows[first:last, 1:]
        self.tokens = (start + pace * torch.arange(LENGTH)) % TOKENS

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.tokens[place], "labels": self.tokens[place]}


class Table(TrainerCallback):
    """Write a row whenever a tenth more steps than the last time are done."""

    def __init__(self, out: csv.writer, tokens: torch.Tensor) -> None:
        self.out, self.tokens, self.due, self.start = out, tokens, 1.0, time.perf_counter()

    def on_step_end(
        self, arguments: object, state: object, control: object, **named: object
    ) -> None:
        """Evaluate where it is due."""
        step, model = state.global_step, named["model"]
        if step >= self.due or step == args.steps:
            with torch.no_grad():
                loss = model(input_ids=self.tokens, labels=self.tokens).loss.item()
            self.out.writerow([step, loss, time.perf_counter() - self.start])
            self.due = max(step + 1, 1.1 * step)


if __name__ == "__main__":
    torch.set_num_threads(1)
    set_seed(args.seed)
    config = GPT2Config(
        vocab_size=TOKENS, n_positions=LENGTH, n_embd=32, n_layer=1, n_head=2,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    arguments = TrainingArguments(
        output_dir=f"{args.out}.trainer", per_device_train_batch_size=args.batch_size,
        learning_rate=args.lr, max_steps=args.steps, seed=args.seed, use_cpu=True,
        lr_scheduler_type="constant", dataloader_drop_last=True, report_to=[],
        save_strategy="no", logging_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    with open(args.out, "w", newline="", buffering=1) as file:
        table = csv.writer(file)
        table.writerow(["step", "val_loss", "seconds"])
        callback = Table(table, Counting(192, 272).tokens)
        Trainer(
            GPT2LMHeadModel(config), arguments, train_dataset=Counting(0, 192),
            callbacks=[callback],
        ).train()  # fmt: skip
