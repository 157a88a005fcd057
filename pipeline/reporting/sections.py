"""Which figures stand where: the only list of them."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.analysis.study import Study
from pipeline.reporting.figures import (
    accumulate,
    budgets,
    classes,
    critical,
    curves,
    data_parallel,
    descent,
    features,
    generalisation,
    gradient_noise,
    landscape,
    local_critical,
    machines,
    oscillation,
    power_of_two,
    rates,
    score_heatmap,
    seconds_heatmap,
    sharpness,
    steps,
    steps_heatmap,
    sweeps,
    throughput,
    tradeoff,
    variants,
    weights,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import overview


def no_notes(_: Study) -> list[str]:
    """Of a section about which there is nothing to confess."""
    return []


@dataclass(frozen=True)
class Section:
    """Figures of one subject; notes: what could not be measured of it."""

    name: str
    title: str
    illustrations: tuple[Illustration, ...]
    notes: Callable[[Study], list[str]] = no_notes


OPENING = tradeoff.ILLUSTRATION

SECTIONS = (
    Section(
        "target",
        "Steps to the target",
        (
            steps.ILLUSTRATION,
            critical.ILLUSTRATION,
            local_critical.ILLUSTRATION,
            curves.ILLUSTRATION,
            budgets.ILLUSTRATION,
        ),
        overview.notes_on_race,
    ),
    Section(
        "learning-rates",
        "The learning rate",
        (
            score_heatmap.ILLUSTRATION,
            steps_heatmap.ILLUSTRATION,
            seconds_heatmap.ILLUSTRATION,
            rates.ILLUSTRATION,
            descent.ILLUSTRATION,
        ),
    ),
    Section("comparison", "Variants", (variants.ILLUSTRATION, sweeps.ILLUSTRATION)),
    Section(
        "machine",
        "This machine",
        (
            throughput.ILLUSTRATION,
            power_of_two.ILLUSTRATION,
            machines.ILLUSTRATION,
            accumulate.ILLUSTRATION,
            data_parallel.ILLUSTRATION,
        ),
    ),
    Section(
        "solutions",
        "What the solutions are like",
        (
            generalisation.ILLUSTRATION,
            sharpness.ILLUSTRATION,
            landscape.ILLUSTRATION,
            gradient_noise.ILLUSTRATION,
            oscillation.ILLUSTRATION,
            weights.ILLUSTRATION,
        ),
        overview.notes_on_solutions,
    ),
    Section("examples", "The data", (features.ILLUSTRATION, classes.ILLUSTRATION)),
)


def illustrations(study: Study) -> list[Illustration]:
    """All figures that the study has data for, in reading order."""
    listed = [OPENING, *(item for section in SECTIONS for item in section.illustrations)]
    return [item for item in listed if item.has_data(study)]
