"""The page's heatmaps."""

from makers.reports import cached
from pipeline.reporting.page.heatmap import heatmap_tables


def test_winners_are_framed_and_edges_told_apart() -> None:
    cells = {
        (f"{len(rates)} rates, {size}", rate): cell
        for rates in ((0.1, 1.0, 10.0), (0.1, 1.0))
        for heatmap in heatmap_tables(cached((4, 16), rates, 3))["steps_heatmap"]
        for rate, row in heatmap.rows
        for size, cell in zip(heatmap.sizes, row, strict=True)
    }
    assert cells["3 rates, 4", "1"].kind == "done inside"
    assert cells["2 rates, 4", "1"].kind == "done edge"
    assert cells["2 rates, 4", "1"].tip.endswith("at the edge of the grid")
    assert cells["3 rates, 4", "10"].kind == "lost"
