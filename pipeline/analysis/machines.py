"""What the same trainings cost on several machines: in time, in money, in energy."""

import pandas as pd

from pipeline.params.protocol import Machine
from pipeline.selection.keys import PACK

MEASURED = ("lr", "seconds_per_step", "peak_bytes", "probability_fastest", "may_be_fastest")
ENDS = ("", "_low", "_high")
SECONDS_PER_HOUR = 3600


def costs(
    name: str, tradeoff: pd.DataFrame, best: pd.Series | None, machine: Machine
) -> pd.DataFrame:
    """A machine's tradeoff with what reaching the target costs there: ``price_to_target`` in what
    its price is given in, ``joules_to_target``; NaN where neither is known. Both go with the
    seconds, and have their interval.

    best: the recommended row.
    """
    spent = {f"seconds_to_target{end}": tradeoff[f"seconds_to_target{end}"] for end in ENDS}
    per_second = {
        "price": per(machine.price_per_hour, SECONDS_PER_HOUR),
        "joules": per(machine.watts, 1),
    }
    for kind, rate in per_second.items():
        for end in ENDS:
            spent[f"{kind}_to_target{end}"] = tradeoff[f"seconds_to_target{end}"] * rate
    recommended = tradeoff.index == (None if best is None else best.name)
    table = tradeoff[[*PACK, *MEASURED]].assign(recommended=recommended, **spent)
    table.insert(0, "machine", name)
    return table


def per(rate: float | None, seconds: float) -> float:
    """A rate for so many seconds as one for a second; NaN where it is not known."""
    return float("nan") if rate is None else rate / seconds


def not_dearer(table: pd.DataFrame, kind: str, than: pd.Series) -> list[str]:
    """The machines whose recommended rows are not shown to cost more than one: their interval
    begins within its."""
    known = table[table["recommended"]]
    within = known[f"{kind}_to_target_low"] <= than[f"{kind}_to_target_high"]
    return known.loc[within & (known["machine"] != than["machine"]), "machine"].tolist()


def cheapest(table: pd.DataFrame, kind: str) -> pd.Series | None:
    """Of the recommended rows of all machines the one that costs least, in seconds, price or
    joules; None where fewer than two machines tell."""
    known = table[table["recommended"]].dropna(subset=[f"{kind}_to_target"])
    return known.loc[known[f"{kind}_to_target"].idxmin()] if len(known) > 1 else None
