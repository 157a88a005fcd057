"""What more devices would bring: a prediction from one device's measured step times.

A step on w devices takes the measured time of a step at the local batch size ceil(B / w), and
a ring all-reduce of the gradients: 2 (w - 1) / w of their bytes over the bandwidth, and
2 (w - 1) messages of one latency each (Thakur, Rabenseifner & Gropp 2005, section 3.3).
Nothing of it overlaps.
"""

import numpy as np
import pandas as pd

from pipeline.analysis.steps import GROWN
from pipeline.analysis.timings import whole_batches
from pipeline.params.protocol import DataParallel

COLUMNS = (
    "variant", "devices", "batch_size", "local_batch_size", "all_reduce_seconds",
    "seconds_per_step", "seconds_per_epoch", "seconds_to_target", "every_seed",
)  # fmt: skip
DEVICES = tuple(2**k for k in range(11))


def all_reduce_seconds(gradient_bytes: float, devices: int, link: DataParallel) -> float:
    """Seconds of one ring all-reduce; 0 on one device."""
    share = 2 * (devices - 1) / devices
    seconds = share * gradient_bytes / (link.bandwidth_gb_per_second * 1e9)
    return seconds + 2 * (devices - 1) * link.latency_seconds


def step_seconds(timed: pd.DataFrame, batch_size: int) -> float:
    """The measured time of a step, between two measured sizes on the log-log line of both.

    Below the smallest measured size its time, above the largest in proportion.
    """
    sizes, seconds = timed["batch_size"].to_numpy(float), timed["seconds_per_step"].to_numpy(float)
    beyond = max(1.0, batch_size / sizes[-1])
    return float(np.exp(np.interp(np.log(batch_size), np.log(sizes), np.log(seconds)))) * beyond


def predict(
    tradeoff: pd.DataFrame, throughput: pd.DataFrame, examples: int, link: DataParallel
) -> pd.DataFrame:
    """One row per (variant, batch size, number of devices up to the batch size).

    every_seed: whether all of the batch size's seeds reach the target.
    """
    rows = []
    for row in tradeoff.itertuples():
        timed = whole_batches(throughput, row.variant).dropna(subset=["weight_bytes"])
        mean_size = row.examples_to_target / row.steps_to_target  # of a batch that grows
        for devices in DEVICES:
            if timed.empty or devices > row.batch_size:
                break
            local = -(-row.batch_size // devices)
            exchange = all_reduce_seconds(timed["weight_bytes"].iloc[0], devices, link)
            mean = mean_size / devices if mean_size > GROWN * row.batch_size else local
            seconds = step_seconds(timed, mean) + exchange
            rows.append(
                {
                    "variant": row.variant,
                    "devices": devices,
                    "batch_size": row.batch_size,
                    "local_batch_size": local,
                    "all_reduce_seconds": exchange,
                    "seconds_per_step": seconds,
                    "seconds_per_epoch": seconds * (examples // row.batch_size),
                    "seconds_to_target": seconds * row.steps_to_target,
                    "every_seed": row.reached == row.seeds,
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def beside_measured(prediction: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """The prediction with what processes that shared a batch took: ``measured_seconds_per_step``,
    ``measured_all_reduce_seconds``; and over it ``predicted_over_measured``, and
    ``with_link_over_measured``, with the link as fast as it was. NaN where nothing was measured.
    """
    names = {
        "seconds_per_step": "measured_seconds_per_step",
        "seconds_all_reduce": "measured_all_reduce_seconds",
    }
    keys = ["variant", "devices", "batch_size"]
    if measured.empty:
        both = prediction.assign(**dict.fromkeys(names.values(), np.nan))
    else:
        known = measured[[*keys, *names]].rename(columns=names)
        both = prediction.merge(known, on=keys, how="left", validate="one_to_one")
    predicted, taken = both["seconds_per_step"], both["measured_seconds_per_step"]
    with_link = predicted - both["all_reduce_seconds"] + both["measured_all_reduce_seconds"]
    return both.assign(
        predicted_over_measured=predicted / taken, with_link_over_measured=with_link / taken
    )


def best_by_devices(prediction: pd.DataFrame) -> pd.DataFrame:
    """For each variant and number of devices the batch size that reaches the target soonest, of
    those that do with every seed."""
    done = prediction[prediction["every_seed"].astype(bool)].dropna(subset=["seconds_to_target"])
    order = done.sort_values(["seconds_to_target", "batch_size"])
    best = order.drop_duplicates(["variant", "devices"])
    return best.sort_values(["variant", "devices"], ignore_index=True)
