"""What the report says about the machine: throughput, memory, alignment, more devices."""

from dataclasses import dataclass

import pandas as pd

from pipeline.analysis import data_parallel, lines
from pipeline.analysis import throughput as speed
from pipeline.analysis.claims_machine import ALIGNED_MARGIN
from pipeline.analysis.lines import Bend
from pipeline.params import Params
from pipeline.reporting import figures_machine, text
from pipeline.reporting.axes import Frame
from pipeline.reporting.illustration import Illustration


@dataclass(frozen=True)
class MachineSpeed:
    """The first variant's saturation, figures, and the tables behind them."""

    bend: Bend | None
    illustrations: tuple[Illustration, ...]
    tables: dict[str, pd.DataFrame]


def machine_speed(
    table: pd.DataFrame, timed: pd.DataFrame, params: Params, frame: Frame
) -> MachineSpeed:
    """Everything that the throughput stage measured; a figure without data is left out."""
    whole = speed.whole_batches(timed, frame.variants[0])
    pairs = speed.alignment(whole)
    parts = speed.accumulated(timed)
    prediction = data_parallel.predict(table, timed, frame.examples, params.data_parallel)
    bend = lines.bend(whole["batch_size"], whole["examples_per_second"])
    shown = [
        Illustration(
            "throughput",
            "Throughput and memory",
            throughput_caption(whole, bend, frame),
            figures_machine.throughput(timed, table, bend, frame),
            "throughput",
        )
    ]
    if len(pairs):
        shown.append(
            Illustration(
                "power_of_two",
                "Are powers of two faster?",
                pairs_caption(pairs),
                figures_machine.power_of_two(pairs, ALIGNED_MARGIN, frame),
                "power_of_two",
            )
        )
    if len(parts):
        shown.append(
            Illustration(
                "accumulate",
                "What accumulating micro-batches costs",
                parts_caption(parts, frame),
                figures_machine.accumulate(parts, frame),
                "accumulate",
            )
        )
    best = data_parallel.best_by_devices(prediction)
    if len(best):
        shown.append(
            Illustration(
                "data_parallel",
                "More devices: a prediction",
                devices_caption(best, params, frame),
                figures_machine.data_parallel(best, frame),
                "data_parallel",
            )
        )
    tables = {"throughput": timed, "power_of_two": pairs, "accumulate": parts}
    return MachineSpeed(bend, tuple(shown), tables | {"data_parallel": prediction})


def throughput_caption(whole: pd.DataFrame, bend: Bend | None, frame: Frame) -> str:
    """Where throughput bends, what the largest batch brings, and which batch fits."""
    first, last = whole.iloc[0], whole.iloc[-1]
    gain = last["examples_per_second"] / first["examples_per_second"]
    sizes = (
        f"{len(whole)} batch sizes, the first quartile of {whole['blocks'].max()} blocks each, in "
        "random order, for other work only slows steps down"
    )
    if bend is None:
        bent = "Throughput shows no bend"
    else:
        at = bend.at
        bent = (
            f"Throughput bends at batch size {at.value:.0f} (95 % interval {at.low:.0f} to "
            f"{at.high:.0f}), from growth as B^{bend.before.value:.2f} to B^{bend.after.value:.2f}"
        )
    return (
        f"{bent}; batch size {text.batch_size(last['batch_size'], frame.examples)} takes "
        f"{text.number(gain)} times as many examples a second as {first['batch_size']}. "
        f"{capacity(last, frame)} {sizes}; loose points are not in the grid. Memory is that of a "
        "step or an evaluation, whichever takes more, without the data set."
    )


def capacity(row: pd.Series, frame: Frame) -> str:
    """The largest batch that fits, and what ended the search."""
    size = text.batch_size(row["largest_batch_size"], frame.examples)
    limit = text.size(row["limit_bytes"])
    return {
        "memory": f"The largest batch that fits in {limit} is {size}.",
        "data": f"All the training data fit in one batch (the limit is {limit}).",
        "time": f"Batches up to {size} fit in {limit}; larger ones were too slow to try.",
    }[row["search_ended_by"]]


def pairs_caption(pairs: pd.DataFrame) -> str:
    """The mean speed-ups with their intervals."""
    said = []
    for kind, own in pairs.groupby("kind", sort=False):
        mean = speed.mean_speed_up(own)
        said.append(
            f"{kind} run at {mean.value:.3f} times the speed of their neighbours "
            f"(95 % interval {text.interval(mean.low, mean.high)}, n = {mean.n})"
        )
    words = "; ".join(said)
    return (
        f"{words[0].upper()}{words[1:]}. Each is timed against B − 1 and B + 1; in the band the "
        f"difference is below {ALIGNED_MARGIN:.0%}."
    )


def parts_caption(parts: pd.DataFrame, frame: Frame) -> str:
    """What the most micro-batches cost."""
    most = parts[parts["variant"] == frame.variants[0]].iloc[-1]
    return (
        f"Batch size {text.batch_size(most['batch_size'], frame.examples)} in "
        f"{most['micro_batches']} micro-batches takes {text.number(most['relative_seconds'])} "
        f"times as long and {text.number(most['relative_bytes'])} times the memory."
    )


def devices_caption(best: pd.DataFrame, params: Params, frame: Frame) -> str:
    """The first and the fastest number of devices, and the model behind it."""
    own = best[best["variant"] == best["variant"].iloc[0]]
    alone, fastest = own.iloc[0], own.loc[own["seconds_to_target"].idxmin()]
    link = params.data_parallel
    gain = alone["seconds_to_target"] / fastest["seconds_to_target"]
    told = (
        "no number of devices is predicted to be faster than one"
        if fastest["devices"] == 1
        else f"{fastest['devices']} devices at batch size "
        f"{text.batch_size(fastest['batch_size'], frame.examples)} are predicted to be "
        f"{text.number(gain)} times as fast as one"
    )
    return (
        f"Not measured: {told}. Each point is the best batch size for so many devices, written "
        "below the fastest variant's. The model: the measured time of a step at the local batch "
        "size, plus a ring all-reduce of the gradients at "
        f"{text.number(link.bandwidth_gb_per_second)} GB/s and "
        f"{text.seconds(link.latency_seconds)} a message, nothing overlapping."
    )
