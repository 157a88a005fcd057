"""What is measured of one pack's solutions, a table for each question."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

from pipeline.analysis.budgets import WHOLE
from pipeline.data.tensors import Dataset, Part
from pipeline.measure import gradient_noise, landscape, rescaling, sharpness
from pipeline.measure.solutions import Floats, Solutions
from pipeline.stages.archive import KEYS, Archive, Found
from pipeline.stages.moments import CRITERIA, SHARES

PARTS = ("train", "val", "test")
CONTROLLED = ("eigenvalues", "Keskar's, full, 0.001", "adaptive")
"""What is measured of the rescaled solutions too."""
Measure = Callable[[Solutions, Part], dict[str, Floats]]


@dataclass
class Examination:
    """Tables by name, and what they cost: seconds by measure."""

    tables: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, table: pd.DataFrame) -> None:
        """One more piece of a table."""
        self.tables.setdefault(name, []).append(table)

    @contextmanager
    def timed(self, measure: str) -> Iterator[None]:
        """Count what happens inside as one measure's cost."""
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        self.seconds[measure] = self.seconds.get(measure, 0.0) + spent


def generalisation(store: Archive, ends: Found, kept: Found) -> pd.DataFrame:
    """Loss and score on the three parts, and the train-test gap in score, of every solution: at
    the end of its training, and at the end of the budgets it was kept for.

    Of the latter the training part is a sample, which is what most of the time would go to.
    """
    limits = kept.where(kept.table["moment"].isin(CRITERIA))
    packs = [(ends.table.assign(budget=WHOLE), ends.solutions)]
    packs += [(limits.table.rename(columns={"moment": "budget"}), limits.solutions)]
    tables = []
    for keys, own in packs:
        table = keys[[*KEYS, "budget"]].copy()
        for part in PARTS if len(table) else ():
            examples = getattr(store.data(ends.variant), part)
            if part == "train" and own is not ends.solutions:
                examples = store.sample(ends.variant)
            table[f"{part}_loss"], table[f"{part}_score"] = own.losses_and_scores(examples)
        tables.append(in_own_terms(table, own, store.data(ends.variant)))
    whole = pd.concat(tables)
    return whole.assign(generalisation_gap=whole["train_score"] - whole["test_score"])


def in_own_terms(table: pd.DataFrame, own: Solutions, data: Dataset) -> pd.DataFrame:
    """With the test error in the target's unit, or the accuracy with every class counted alike."""
    if table.empty:
        return table
    if data.task == "regression":
        return table.assign(test_rmse=np.sqrt(table["test_loss"]) * data.target_sd)
    labels = data.test.y.cpu().numpy()
    found = [balanced_accuracy_score(labels, row) for row in own.predictions(data.test)]
    return table.assign(test_balanced_accuracy=found)


def measures(seed: int) -> dict[str, Measure]:
    """Every measure of sharpness, as columns."""

    def eigenvalues(own: Solutions, part: Part) -> dict[str, Floats]:
        found = sharpness.spectrum(own, part, seed)
        columns = {f"eigenvalue_{k + 1}": own for k, own in enumerate(found.eigenvalues.T)}
        return columns | {"eigenvalue_residual": found.residual}

    def trace(own: Solutions, part: Part) -> dict[str, Floats]:
        value, error = sharpness.trace(own, part, seed)
        return {"trace": value, "trace_standard_error": error}

    def keskar(space: str, epsilon: float) -> Measure:
        def measure(own: Solutions, part: Part) -> dict[str, Floats]:
            base = sharpness.subspace(own, seed) if space == "subspace" else None
            return {f"keskar_{space}_{epsilon:g}": sharpness.keskar(own, part, epsilon, base)}

        return measure

    def adaptive(own: Solutions, part: Part) -> dict[str, Floats]:
        return {"adaptive": sharpness.adaptive(own, part)}

    by_box = {
        f"Keskar's, {space}, {epsilon:g}": keskar(space, epsilon)
        for space in ("full", "subspace")
        for epsilon in sharpness.KESKAR_EPSILONS
    }
    return {"eigenvalues": eigenvalues, "trace": trace, **by_box, "adaptive": adaptive}


def sharp(store: Archive, best: Found, others: dict[str, Found], out: Examination) -> None:
    """All measures of the best-scoring solutions, three of the first one rescaled, and the
    eigenvalues of other solutions; ``point`` says which."""
    part = store.sample(best.variant)
    known = measures(store.config.seed)
    points = {"solution": (best, tuple(known))}
    first = best.first()
    rescaled = rescaling.rescaled(first.solutions)
    if rescaled is not None:
        points["rescaled"] = (replace(first, solutions=rescaled), CONTROLLED)
    points |= {point: (pack, ("eigenvalues",)) for point, pack in others.items()}
    for point, (pack, names) in points.items():
        table = pack.table[KEYS].assign(point=point)
        for name in names if len(table) else ():
            with out.timed(name):
                table = table.assign(**known[name](pack.solutions, part))
        out.add("sharpness", table)


def slices(store: Archive, pack: Found) -> Iterator[pd.DataFrame]:
    """Loss and score along a random direction around every solution of a pack."""
    for place, seed in enumerate(pack.table["seed"]):
        own = pack.solutions.take(slice(place, place + 1))
        points = landscape.around(own, store.config.seed, seed)
        table = along(store, pack.variant, points).assign(position=landscape.SLICE, path="slice")
        yield table.assign(batch_size=pack.batch_size, seed=seed)


def lines(store: Archive, small: Found, large: Found) -> Iterator[pd.DataFrame]:
    """The lines between two packs' solutions of the same seeds."""
    for seed in sorted({*small.table["seed"]} & {*large.table["seed"]}):
        start, end = (pack.where(pack.table["seed"] == seed).solutions for pack in (small, large))
        points = landscape.between(start, end)
        table = along(store, small.variant, points).assign(position=landscape.LINE, path="line")
        table = table.assign(batch_size=small.batch_size, seed=seed)
        yield table.assign(other_batch_size=large.batch_size)


def along(store: Archive, variant: str, points: Solutions) -> pd.DataFrame:
    """Loss and score of train and test at the points of one path."""
    points = landscape.with_statistics(points, store.sample(variant))
    table = pd.DataFrame({"variant": [variant] * len(points)})
    for part in ("train", "test"):
        loss, score = points.losses_and_scores(store.sample(variant, part))
        table = table.assign(**{f"{part}_loss": loss, f"{part}_score": score})
    return table


def along_training(store: Archive, fastest: Found, kept: Found) -> dict[str, Found]:
    """Four moments of the first seed's training at the fastest rate; fewer where it diverged.

    All trainings of a seed start alike: the initial moment is the smallest batch size's.
    """
    first = fastest.first()
    moments = {}
    own = store.selection[store.selection["variant"] == first.variant]
    if first.batch_size == own["batch_size"].min():
        start = store.initial(first.variant, int(first.table["seed"].iloc[0]), first.solutions)
        moments["initial"] = replace(first, solutions=start)
    moments |= {moment: kept.where(kept.table["moment"] == moment) for moment in SHARES}
    return {name: pack for name, pack in {**moments, "end": first}.items() if len(pack.table)}


def noise(store: Archive, moments: dict[str, Found]) -> pd.DataFrame:
    """Noise scale and agreement of batches with all examples, at each moment of a training."""
    rows = [
        {**pack.table[KEYS].iloc[0], "moment": moment, **row}
        for moment, pack in moments.items()
        for row in noise_of(pack.solutions, store.sample(pack.variant), store.config.seed)
    ]
    return pd.DataFrame(rows)


def noise_of(own: Solutions, part: Part, seed: int) -> list[dict[str, float]]:
    """One row per size of the batches drawn; the noise scale stands in each."""
    scale = gradient_noise.noise_scale(*gradient_noise.single_gradients(own, part))
    columns = {
        "population": len(part),
        "gradient_norm": float(own.gradients(part).norm()),
        "noise_scale": scale.value,
        "noise_scale_low": scale.low,
        "noise_scale_high": scale.high,
    }
    return [asdict(found) | columns for found in gradient_noise.agreements(own, part, seed)]
