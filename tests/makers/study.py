"""Studies of which some quantities are known, so that what is judged from them can be tested."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.analysis.frame import Frame
from pipeline.analysis.measurements import Measurements
from pipeline.analysis.study import Study
from pipeline.params.load import Params
from pipeline.params.protocol import Grid
from pipeline.params.settings import Settings


def study_of(
    names: Sequence[str] = ("baseline",),
    measured: Mapping[str, Any] | None = None,
    **known: Any,
) -> Study:
    """A study of these variants on 1000 examples.

    measured: its tables; known: its quantities.
    """
    params = Params(grid=Grid(list(names)), variants={name: {} for name in names})
    frame = Frame(1000, "accuracy", "a validation accuracy of 0.9", tuple(names))
    study = Study(params, Measurements(**(measured or {})))
    return study.with_known(**({"frame": frame, "raced": pd.DataFrame()} | known))


def study_with_settings(settings: Mapping[str, Settings], **known: Any) -> Study:
    """A study of variants that train so."""
    return study_of(tuple(settings), settings=settings, **known)
