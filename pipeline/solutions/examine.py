"""What is measured of one pack's solutions or a variant's extremes: a table for each question."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

from pipeline.selection.keys import CELL, WHOLE, rows_of
from pipeline.solutions import gradient_noise, landscape, rescaling, sharpness
from pipeline.solutions.archive import Archive, PackSolutions
from pipeline.solutions.snapshots import CRITERIA, EQUAL_LOSS, SHARES
from pipeline.solutions.surface import Floats, Floats32, Solutions
from pipeline.training.dataset import Dataset, Part

PARTS = ("train", "val", "test")
CONTROLLED = ("eigenvalues", "Keskar's, full, 0.001", "adaptive")
"""What is measured of the rescaled solutions too."""
OF_FIRST = ("Keskar's, full, 0.0005", "Keskar's, subspace, 0.001", "Keskar's, subspace, 0.0005")
"""What is measured of the first seed alone: it costs much and says what Keskar's metric says."""
Measure = Callable[[Solutions, Part], dict[str, Floats]]
Task = tuple[str, int | None]
"""A pack, by variant and batch size; or, without a batch size, a variant's extremes."""


@dataclass
class Examination:
    """Tables by name, what every solution makes of every test example by pack, and what they cost:
    seconds by measure."""

    tables: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    outcomes: dict[str, Floats32] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, table: pd.DataFrame) -> None:
        """Append rows to the table called ``name``."""
        self.tables.setdefault(name, []).append(table)

    @contextmanager
    def timed(self, measure: str) -> Iterator[None]:
        """Count what happens inside as one measure's cost."""
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        self.seconds[measure] = self.seconds.get(measure, 0.0) + spent


def tasks(selection: pd.DataFrame) -> list[Task]:
    """Everything to do: each pack with a winner, and each variant."""
    packs = selection[["variant", "batch_size"]].drop_duplicates()
    of_packs: list[Task] = [(variant, int(size)) for variant, size in packs.to_numpy()]
    return of_packs + [(variant, None) for variant in packs["variant"].unique()]


def examination(archive: Archive, task: Task) -> Examination:
    """Do one task."""
    variant, batch_size = task
    if batch_size is None:
        return of_extremes(archive, variant)
    return of_pack(archive, variant, batch_size)


def of_pack(archive: Archive, variant: str, batch_size: int) -> Examination:
    """What is measured of one pack alone."""
    done = Examination()
    ends = archive.ends(variant, batch_size)
    snapshots = archive.snapshots(ends)
    if len(ends.table):
        with done.timed("scores"):
            done.add("evaluation", scores(archive, ends, snapshots))
            done.outcomes |= outcomes(archive, ends, snapshots)
    fastest = archive.chosen(ends, "fastest")
    moments = along_training(archive, fastest, snapshots) if len(fastest.table) else {}
    if moments:
        with done.timed("gradient noise"):
            done.add("gradient_noise", noise(archive, moments))
    best = archive.chosen(ends, "best_score")
    if len(best.table):
        stable = archive.largest_stable(variant, batch_size).first_seed()
        others = {name: pack for name, pack in moments.items() if name not in ("early", "end")}
        kept = {name: at_moment(snapshots, name) for name in ("early", EQUAL_LOSS)}
        others |= kept | {"largest stable rate": stable}
        measure_sharpness(archive, best, others, done)
    return done


def outcomes(
    archive: Archive, ends: PackSolutions, snapshots: PackSolutions
) -> dict[str, Floats32]:
    """What the solutions that ``scores`` scores make of every test example, by pack, and by pack
    and budget; in the order of its rows."""
    test, name = archive.data(ends.variant).test, f"{ends.variant}-{ends.batch_size}"
    limits = {moment: at_moment(snapshots, moment) for moment in CRITERIA}
    return {name: ends.solutions.outcomes(test)} | {
        f"{name}-{moment}": pack.solutions.outcomes(test)
        for moment, pack in limits.items()
        if len(pack.table)
    }


def at_moment(snapshots: PackSolutions, moment: str) -> PackSolutions:
    """The weights that were kept for one moment."""
    return snapshots.where(snapshots.table["moment"] == moment)


def of_extremes(archive: Archive, variant: str) -> Examination:
    """Slices around the smallest and the largest batch size's solutions, and the lines between."""
    done = Examination()
    sizes = sorted(rows_of(archive.selection, variant)["batch_size"].unique())
    best = [archive.chosen(archive.ends(variant, size), "best_score") for size in sizes]
    there = [pack for pack in best if len(pack.table)]
    extremes = there[:: max(1, len(there) - 1)]
    with done.timed("landscape"):
        for pack in extremes:
            for table in slices(archive, pack):
                done.add("landscape", table)
        if len(extremes) > 1:
            for table in lines(archive, *extremes):
                done.add("landscape", table)
    return done


def scores(archive: Archive, ends: PackSolutions, snapshots: PackSolutions) -> pd.DataFrame:
    """Loss and score on the three parts, and the train-test gap in score, of every solution: at
    the end of its training, and at the end of the budgets it was kept for.

    Of the latter the training part is a sample, which is what most of the time would go to.
    """
    limits = snapshots.where(snapshots.table["moment"].isin(CRITERIA))
    packs = [(ends.table.assign(budget=WHOLE), ends.solutions)]
    packs += [(limits.table.rename(columns={"moment": "budget"}), limits.solutions)]
    tables = []
    for keys, solutions in packs:
        table = keys[[*CELL, "budget"]].copy()
        for part in PARTS if len(table) else ():
            examples = getattr(archive.data(ends.variant), part)
            if part == "train" and solutions is not ends.solutions:
                examples = archive.sample(ends.variant)
            table[f"{part}_loss"], table[f"{part}_score"] = solutions.losses_and_scores(examples)
        tables.append(in_own_terms(table, solutions, archive.data(ends.variant)))
    both = pd.concat(tables)
    return both.assign(generalisation_gap=both["train_score"] - both["test_score"])


def in_own_terms(table: pd.DataFrame, solutions: Solutions, data: Dataset) -> pd.DataFrame:
    """With the test error in the target's unit, the accuracy with every class counted alike, or
    the perplexity of a text, exp(loss)."""
    if table.empty:
        return table
    if data.task == "regression":
        return table.assign(test_rmse=np.sqrt(table["test_loss"]) * data.target_sd)
    if data.task == "language":
        return table.assign(test_perplexity=np.exp(table["test_loss"]))
    labels = data.test.y.cpu().numpy()
    accuracies = [balanced_accuracy_score(labels, row) for row in solutions.predictions(data.test)]
    return table.assign(test_balanced_accuracy=accuracies)


def measures(seed: int) -> dict[str, Measure]:
    """Every measure of sharpness, as columns."""

    def eigenvalues(solutions: Solutions, part: Part) -> dict[str, Floats]:
        spectrum = sharpness.spectrum(solutions, part, seed)
        columns = {f"eigenvalue_{k + 1}": values for k, values in enumerate(spectrum.eigenvalues.T)}
        return columns | {"eigenvalue_residual": spectrum.residual}

    def trace(solutions: Solutions, part: Part) -> dict[str, Floats]:
        value, error = sharpness.trace(solutions, part, seed)
        return {"trace": value, "trace_standard_error": error}

    def keskar(space: str, epsilon: float) -> Measure:
        def measure(solutions: Solutions, part: Part) -> dict[str, Floats]:
            base = sharpness.subspace(solutions, seed) if space == "subspace" else None
            values = sharpness.keskar(solutions, part, epsilon, base)
            return {f"keskar_{space}_{epsilon:g}": values}

        return measure

    def adaptive(solutions: Solutions, part: Part) -> dict[str, Floats]:
        return {"adaptive": sharpness.adaptive(solutions, part)}

    by_box = {
        f"Keskar's, {space}, {epsilon:g}": keskar(space, epsilon)
        for space in ("full", "subspace")
        for epsilon in sharpness.KESKAR_EPSILONS
    }
    return {"eigenvalues": eigenvalues, "trace": trace, **by_box, "adaptive": adaptive}


def measure_sharpness(
    archive: Archive, best: PackSolutions, others: dict[str, PackSolutions], done: Examination
) -> None:
    """All measures of the best-scoring solutions, some of their first one alone; three of the first
    one rescaled, and the eigenvalues of other solutions. ``point`` says which."""
    first = best.first_seed()
    of_all = tuple(name for name in measures(archive.params.seed) if name not in OF_FIRST)
    table = measured(archive, best, of_all, done)
    of_first = measured(archive, first, OF_FIRST, done).drop(columns="train_loss")
    done.add("sharpness", table.merge(of_first, on=CELL, how="left").assign(point="solution"))
    rescaled = rescaling.rescaled(first.solutions)
    if rescaled is not None:
        there = replace(first, solutions=rescaled)
        done.add("sharpness", measured(archive, there, CONTROLLED, done).assign(point="rescaled"))
    for point, pack in others.items():
        if len(pack.table):
            table = measured(archive, pack, ("eigenvalues",), done)
            done.add("sharpness", table.assign(point=point))


def measured(
    archive: Archive, pack: PackSolutions, names: tuple[str, ...], done: Examination
) -> pd.DataFrame:
    """The named measures of every solution on the same training examples, and its loss on them."""
    part, known = archive.sample(pack.variant), measures(archive.params.seed)
    losses = pack.solutions.losses(part).cpu().double().numpy()
    table = pack.table[CELL].assign(train_loss=losses)
    for name in names:
        with done.timed(name):
            table = table.assign(**known[name](pack.solutions, part))
    return table


def slices(archive: Archive, pack: PackSolutions) -> Iterator[pd.DataFrame]:
    """Loss and score along a random direction around every solution of a pack."""
    for place, seed in enumerate(pack.table["seed"]):
        solution = pack.solutions.take(slice(place, place + 1))
        points = landscape.around(solution, archive.params.seed, seed)
        table = along(archive, pack.variant, points)
        table = table.assign(position=landscape.SLICE, path="slice")
        yield table.assign(batch_size=pack.batch_size, seed=seed)


def lines(archive: Archive, small: PackSolutions, large: PackSolutions) -> Iterator[pd.DataFrame]:
    """The lines between two packs' solutions of the same seeds."""
    for seed in sorted({*small.table["seed"]} & {*large.table["seed"]}):
        start, end = (pack.where(pack.table["seed"] == seed).solutions for pack in (small, large))
        points = landscape.between(start, end)
        table = along(archive, small.variant, points).assign(position=landscape.LINE, path="line")
        table = table.assign(batch_size=small.batch_size, seed=seed)
        yield table.assign(other_batch_size=large.batch_size)


def along(archive: Archive, variant: str, points: Solutions) -> pd.DataFrame:
    """Loss and score of train and test at the points of one path."""
    points = landscape.with_statistics(points, archive.sample(variant))
    table = pd.DataFrame({"variant": [variant] * len(points)})
    for part in ("train", "test"):
        loss, score = points.losses_and_scores(archive.sample(variant, part))
        table = table.assign(**{f"{part}_loss": loss, f"{part}_score": score})
    return table


def along_training(
    archive: Archive, fastest: PackSolutions, snapshots: PackSolutions
) -> dict[str, PackSolutions]:
    """Four moments of the first seed's training at the fastest rate; fewer where it diverged.

    All trainings of a seed start alike: the initial moment is the smallest batch size's.
    """
    first = fastest.first_seed()
    moments = {}
    rows = rows_of(archive.selection, first.variant)
    if first.batch_size == rows["batch_size"].min():
        seed = int(first.table["seed"].iloc[0])
        start = archive.initial(first.variant, seed, first.solutions)
        moments["initial"] = replace(first, solutions=start)
    watched = snapshots.where(snapshots.table["seed"] == first.table["seed"].iloc[0])
    moments |= {moment: at_moment(watched, moment) for moment in SHARES}
    return {name: pack for name, pack in {**moments, "end": first}.items() if len(pack.table)}


def noise(archive: Archive, moments: dict[str, PackSolutions]) -> pd.DataFrame:
    """Noise scale and agreement of batches with all examples, at each moment of a training."""
    rows = [
        {**pack.table[CELL].iloc[0], "moment": moment, **row}
        for moment, pack in moments.items()
        for row in noise_rows(pack.solutions, archive.sample(pack.variant), archive.params.seed)
    ]
    return pd.DataFrame(rows)


def noise_rows(solution: Solutions, part: Part, seed: int) -> list[dict[str, float]]:
    """One row for each size of the batches drawn; the noise scale stands in each."""
    scale = gradient_noise.noise_scale(*gradient_noise.single_gradients(solution, part))
    columns = {
        "population": len(part),
        "gradient_norm": float(solution.gradients(part).norm()),
        "noise_scale": scale.value,
        "noise_scale_low": scale.low,
        "noise_scale_high": scale.high,
    }
    agreements = gradient_noise.agreements(solution, part, seed)
    return [asdict(agreement) | columns for agreement in agreements]
