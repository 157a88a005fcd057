"""What a program writes is read as a curve, or refused with the row and the rule."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.outside.curve import CurveError, check_length, diverged_step, read


def written(folder: Path, text: str) -> Path:
    path = folder / "out.csv"
    path.write_text(text)
    return path


def test_a_csv_and_lines_of_json_are_the_same(tmp_path: Path) -> None:
    table = read(written(tmp_path, "step,val_loss,note\n1,0.5,a\n10,0.25,b\n"))
    lines = '{"step": 1, "val_loss": 0.5}\n\n{"val_loss": 0.25, "step": 10, "x": null}\n'
    assert table.equals(read(written(tmp_path, lines)))
    assert table["step"].tolist() == [1, 10]
    assert table["val_loss"].tolist() == [0.5, 0.25]


def test_what_was_not_measured_is_empty_and_what_is_no_number_is_infinite(tmp_path: Path) -> None:
    table = read(written(tmp_path, "step,train_loss,val_score\n0,9,0\n5,0.5,\n10,nan,0.75\n"))
    assert table["step"].tolist() == [5, 10]  # before the first step nothing has been trained
    assert np.isnan(table["val_score"].iloc[0])
    assert diverged_step(table) == 10


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "wrote an empty table"),
        ("step,val_loss\n1,0.5\n3", "row 2: 1 values for 2 columns"),
        ("epoch,val_loss\n1,0.5\n", "has no column step, only epoch, val_loss"),
        ("step,loss\n1,0.5\n", "has neither val_loss nor val_score, only step, loss"),
        ("step,val_loss\n1,0.5\n1.5,0.4\n", "row 2: step '1.5' is no whole number"),
        ("step,val_loss\n-1,0.5\n", "row 1: step '-1' is no whole number"),
        ("step,val_loss\n2,0.5\n4,0.3\n3,0.4\n", "row 3: step 3 is not after step 4"),
        ("step,val_loss\n2,0.5\n2,0.3\n", "row 2: step 2 is not after step 2"),
        ("step,val_loss\n2,low\n", "row 1: val_loss 'low' is no number"),
        ('{"step": 1, "val_loss": 0.5}\n{"step": 2', "row 2: '{\"step\": 2' is no JSON object"),
    ],
)
def test_what_is_no_curve_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    with pytest.raises(CurveError, match="^" + rule.replace("(", r"\(")[:20]) as refused:
        read(written(tmp_path, text))
    assert str(refused.value).startswith(rule)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CurveError, match="wrote no table"):
        read(tmp_path / "out.csv")


def test_a_curve_may_end_before_its_budget_by_less_than_two_evaluations(tmp_path: Path) -> None:
    table = read(written(tmp_path, "step,val_loss\n100,0.5\n200,0.4\n300,0.3\n"))
    check_length(table, 350)
    with pytest.raises(CurveError, match="ends at step 300 of 400"):
        check_length(table, 400)


def test_a_curve_that_diverged_may_end_where_it_did(tmp_path: Path) -> None:
    check_length(read(written(tmp_path, "step,val_loss\n1,0.5\n2,nan\n")), 400)
