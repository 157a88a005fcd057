"""The same trainings on several machines."""

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import machines
from pipeline.params.protocol import Machine


def tradeoff() -> pd.DataFrame:
    return pd.DataFrame({
        "variant": "baseline", "batch_size": [8, 32], "lr": [0.1, 0.3],
        "seconds_per_step": [0.1, 0.2], "peak_bytes": [1.0, 2.0],
        "probability_fastest": [0.1, 0.9], "may_be_fastest": [False, True],
        "seconds_to_target": [72.0, 36.0], "seconds_to_target_low": [36.0, 18.0],
        "seconds_to_target_high": [144.0, 72.0],
    })  # fmt: skip


def test_price_and_energy_go_with_the_seconds() -> None:
    table = tradeoff()
    found = machines.costs("far", table, table.iloc[1], Machine(price_per_hour=2.0, watts=50.0))
    assert found["machine"].tolist() == ["far", "far"]
    assert found["recommended"].tolist() == [False, True]
    assert found["price_to_target"].tolist() == pytest.approx([0.04, 0.02])
    assert found["price_to_target_high"].tolist() == pytest.approx([0.08, 0.04])
    assert found["joules_to_target_low"].tolist() == pytest.approx([1800.0, 900.0])


def test_what_is_not_known_of_a_machine_is_left_empty() -> None:
    found = machines.costs("far", tradeoff(), None, Machine(watts=1.0))
    assert found["price_to_target"].isna().all()
    assert not found["recommended"].any()


def test_the_cheapest_is_found_among_what_each_machine_recommends() -> None:
    table = tradeoff()
    dear = machines.costs("dear", table, table.iloc[1], Machine(price_per_hour=9.0))
    cheap = machines.costs("cheap", table, table.iloc[0], Machine(price_per_hour=2.0))
    row = machines.cheapest(pd.concat([dear, cheap]), "price")
    assert row is not None
    assert (row["machine"], row["batch_size"]) == ("cheap", 8)
    assert machines.not_dearer(pd.concat([dear, cheap]), "price", row) == ["dear"]
    far = machines.costs("far", table, table.iloc[1], Machine(price_per_hour=90.0))
    assert machines.not_dearer(pd.concat([far, cheap]), "price", row) == []
    assert machines.cheapest(dear, "price") is None
    assert machines.cheapest(pd.concat([dear, cheap]), "joules") is None
    assert np.isnan(dear["joules_to_target"]).all()
