"""What the page says: sentences, tables and captions of a study, before any markup."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.analysis.claims.claim import VERDICTS
from pipeline.analysis.claims.ledger import ledger
from pipeline.analysis.study import Study
from pipeline.reporting import sections
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.page import explore
from pipeline.reporting.page.heatmap import Heatmap, heatmap_tables
from pipeline.reporting.words import advice, overview
from pipeline.reporting.words.headline import headline


@dataclass(frozen=True)
class Picture:
    """A figure as the page knows it: its files' name, what stands around it, its table."""

    name: str
    title: str
    caption: str
    table: str


@dataclass(frozen=True)
class Section:
    """Pictures of one subject, and what could not be measured of it."""

    name: str
    title: str
    pictures: tuple[Picture, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Content:
    """Everything that the page and its Markdown twin say.

    origin: where the target comes from; reading: what the summary's columns mean.
    """

    headline: str
    origin: str
    comparison: str
    claims: pd.DataFrame
    opening: Picture
    sections: tuple[Section, ...]
    summary: pd.DataFrame
    reading: str
    facts: Mapping[str, str]
    warnings: tuple[str, ...]
    explore: Mapping[str, Any]
    heatmaps: Mapping[str, tuple[Heatmap, ...]]

    @property
    def claims_by_part(self) -> dict[str, pd.DataFrame]:
        """The lines of the ledger: those that were tested, without a title, those that were not,
        and the checks; a part without lines is left out."""
        claims = self.claims
        is_check, untested = claims["kind"].eq("check"), claims["verdict"].eq("not tested")
        parts = {
            "": claims[~is_check & ~untested],
            "Not tested here": claims[~is_check & untested],
            "Checks, true by construction": claims[is_check],
        }
        return {title: rows for title, rows in parts.items() if len(rows)}

    @property
    def claims_count(self) -> str:
        """How the claims came out, in a sentence."""
        tested = self.claims_by_part.get("", self.claims[:0])["verdict"]
        counts = [f"{(tested == word).sum()} {word}" for word in VERDICTS[:3]]
        return (
            f"Of {len(tested)} claims that this study can test: {', '.join(counts)}. The drawing "
            "beside a verdict shows the effect with its 95 % interval; shaded is where the claim "
            "would hold."
        )

    @property
    def can_explore(self) -> bool:
        """Whether any batch size has seconds to choose by."""
        return bool(self.explore["can_choose"])

    def knows(self, limit: str) -> bool:
        """Whether any batch size has a value that this limit is one of."""
        return len(self.explore["stops"][limit]) > 1

    @property
    def names(self) -> int:
        """How many columns of the summary name its rows."""
        return 2 if "variant" in self.summary else 1


def content_of(study: Study) -> Content:
    """Find the words for a study."""
    return Content(
        headline=headline(study),
        origin=overview.origin(study),
        comparison=advice.comparison(study),
        claims=ledger(study),
        opening=picture(sections.OPENING, study),
        sections=sections_of(study),
        summary=overview.summary(study),
        reading=overview.reading(study),
        facts=overview.facts(study),
        warnings=tuple(overview.warnings(study)),
        explore=explore.embedded(study),
        heatmaps=heatmap_tables(study),
    )


def picture(item: Illustration, study: Study) -> Picture:
    """A figure with its caption."""
    return Picture(item.name, item.title, item.caption(study), item.table)


def sections_of(study: Study) -> tuple[Section, ...]:
    """All sections that have a figure to show."""
    all_sections = (
        Section(
            section.name,
            section.title,
            tuple(picture(item, study) for item in section.illustrations if item.has_data(study)),
            tuple(section.notes(study)),
        )
        for section in sections.SECTIONS
    )
    return tuple(section for section in all_sections if section.pictures)
