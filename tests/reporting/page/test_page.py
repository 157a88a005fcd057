"""The page in a real browser: sliders, keyboard, a narrow screen, print; readable colours."""

import itertools
import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from makers.project import ROOT
from makers.reports import cached, pages
from pipeline.analysis.recommendation import recommend
from pipeline.analysis.study import Study
from pipeline.params.protocol import Limits
from pipeline.reporting.content import Content, content_of
from pipeline.reporting.page import explore

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)


FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


LISTEN = """<script>
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
for (const kind of ["error", "warn"]) console[kind] = (...words) => errors.push(words.join(" "));
</script>"""


PHONE = 380


needs_browser = pytest.mark.skipif(BROWSER is None, reason=f"none of {BROWSERS} is installed")
"""The tests of the page's numbers and colours need none, and are quick."""


def run(folder: Path, *arguments: str) -> str:
    """What the browser prints."""
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(folder: Path, html: str, script: str) -> Any:
    """What a script, the body of a function, returns on the page, with its errors."""
    ask = f"""{LISTEN}<script>addEventListener("load", () => {{
      const answer = (() => {{ {script} }})();
      const out = document.createElement("pre");
      out.id = "answer-of-the-test";
      out.textContent = JSON.stringify({{ answer, errors }});
      document.body.append(out);
    }});</script>"""
    path = folder / "page.html"
    path.write_text(html.replace("<style>", f"{ask}<style>", 1))
    dumped = run(folder, "--dump-dom", path.as_uri())
    (found,) = re.findall(r'<pre id="answer-of-the-test">(.*?)</pre>', dumped, re.DOTALL)
    told = json.loads(unescape(found))
    assert told["errors"] == []
    return told["answer"]


@pytest.fixture(scope="module")
def study() -> Study:
    """Two variants, some of whose rates diverge, with memory and scores that differ."""
    return cached((4, 16, 64), (0.01, 0.1, 1.0, 10.0), 3, variants=("baseline", "adam"))


@pytest.fixture(scope="module")
def made(study: Study) -> Content:
    """What its page says."""
    return content_of(study)


@pytest.fixture(scope="module")
def html(study: Study) -> str:
    """Its page."""
    return pages(study)[0]


@pytest.mark.slow
@needs_browser
def test_sliders_answer_as_the_analysis_does(
    tmp_path: Path, study: Study, made: Content, html: str
) -> None:
    def values(stops: list[dict[str, Any]]) -> list[float | None]:
        return [stop["value"] for stop in stops]

    stops = made.explore["stops"]
    others = values(stops["memory_gb"]), values(stops["score"])
    cases = [
        case
        for width, seconds in stops["seconds"].items()
        for case in itertools.product([width], values(seconds), *others)
    ][::3]
    script = f"""
      const data = JSON.parse(document.getElementById("explore-data").textContent);
      return {json.dumps(cases)}.map(([width, seconds, memory_gb, score]) => {{
        const limits = {{ seconds, memory_gb, score, margin: data.margin }};
        const best = recommend(data.rows[width], limits).best;
        return best && [best.variant, best.batch_size];
      }});"""
    found = asked(tmp_path, html, script)
    for case, answer in zip(cases, found, strict=True):
        devices, *limits = case
        table = explore.at_devices(study.tradeoff, study.devices, int(devices))
        best = recommend(table, Limits(*limits)).best
        assert answer == (None if best is None else [best["variant"], best["batch_size"]]), case
    assert len({json.dumps(answer) for answer in found}) > 2


@pytest.mark.slow
@needs_browser
def test_a_moved_slider_moves_the_recommendation(tmp_path: Path, study: Study, html: str) -> None:
    script = """
      const said = () => document.getElementById("choice").textContent;
      const rows = () => document.querySelectorAll("#choices tr").length;
      const before = said();
      for (const name of ["memory_gb", "devices"]) {
        const slider = document.getElementById(`limit-${name}`);
        slider.value = slider.max;
        slider.dispatchEvent(new Event("input"));
      }
      const words = document.getElementById("limit-memory_gb").getAttribute("aria-valuetext");
      return [before, said(), rows(), words];"""
    before, after, rows, words = asked(tmp_path, html, script)
    best = study.recommendation.best
    assert best is not None
    assert before.startswith(f"Batch size {best['batch_size']:.0f}")
    assert "No batch size meets" in after
    assert rows == 2  # as many as there are batch sizes as large as the most devices
    assert words.startswith("at most ")


@pytest.mark.slow
@needs_browser
def test_a_limit_of_time_stays_when_devices_are_added(
    tmp_path: Path, made: Content, html: str
) -> None:
    script = """
      const seconds = document.getElementById("limit-seconds");
      const devices = document.getElementById("limit-devices");
      const set = (slider, value) => {
        slider.value = value;
        slider.dispatchEvent(new Event("input"));
        return [Number(seconds.max), seconds.getAttribute("aria-valuetext")];
      };
      return [set(seconds, 2), set(devices, 1), set(devices, 0)];"""
    alone, two, again = asked(tmp_path, html, script)
    stops = made.explore["stops"]["seconds"]
    assert [alone[0], two[0]] == [len(stops["1"]) - 1, len(stops["2"]) - 1]
    assert alone == again
    looser = [stop for stop in stops["2"] if (stop["value"] or 1e9) >= stops["1"][2]["value"]]
    label = looser[-1]["label"]
    assert two[1] == (label if label == "no limit" else f"at most {label}")


@pytest.mark.slow
@needs_browser
def test_limits_of_the_study_are_set_from_the_start(tmp_path: Path, study: Study) -> None:
    least = float(study.tradeoff["peak_bytes"].min()) / 2**30
    limited = cached((4, 16, 64), (0.1, 1.0, 10.0), 3, limits=Limits(memory_gb=least))
    script = 'return document.getElementById("choice").textContent;'
    assert asked(tmp_path, pages(limited)[0], script).startswith("Batch size 4 ")


@pytest.mark.slow
@needs_browser
def test_the_heatmaps_speak_to_the_keyboard(tmp_path: Path, html: str) -> None:
    script = """
      const cell = document.querySelector("td[data-tip]");
      cell.focus();
      const tip = () => document.activeElement.closest("figure").querySelector(".tip").textContent;
      const first = tip();
      cell.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
      const reachable = [...document.querySelectorAll(".heatmap tbody")].map(
        (body) => body.querySelectorAll('[tabindex="0"]').length);
      return [first, tip(), reachable];"""
    first, second, reachable = asked(tmp_path, html, script)
    assert first.startswith("batch size 4, rate 10")
    assert second.startswith("batch size 16, rate 10")
    assert set(reachable) == {1}


@pytest.mark.slow
@needs_browser
def test_a_phone_needs_no_sideways_scrolling(tmp_path: Path, html: str) -> None:
    page = json.dumps(html).replace("</", "<\\/")
    script = """
      const seen = document.getElementById("phone").contentDocument.documentElement;
      return [seen.clientWidth, seen.scrollWidth];"""
    holder = f"""<style></style><iframe id="phone" width="{PHONE}" height="800" frameborder="0">
      </iframe><script>document.getElementById("phone").srcdoc = {page};</script>"""
    width, needed = asked(tmp_path, holder, script)
    assert width <= PHONE
    assert needed <= width


@pytest.mark.slow
@needs_browser
def test_nothing_is_fetched(tmp_path: Path, html: str) -> None:
    script = 'return performance.getEntriesByType("resource").map((entry) => entry.name);'
    assert asked(tmp_path, html, script) == []
    foreign = html.replace("<h1>", '<img src="https://example.invalid/a.png"><h1>')
    assert asked(tmp_path, foreign, script) == ["https://example.invalid/a.png"]


@pytest.mark.slow
@needs_browser
def test_it_prints(tmp_path: Path, html: str) -> None:
    path, printed = tmp_path / "page.html", tmp_path / "page.pdf"
    path.write_text(html)
    run(tmp_path, f"--print-to-pdf={printed}", path.as_uri())
    assert printed.read_bytes().startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) > 3
    assert len(printed.read_bytes()) < 2e6


@pytest.mark.slow
@needs_browser
def test_claims_are_open_on_paper_alone(tmp_path: Path, made: Content, html: str) -> None:
    script = """
      const open = () => document.querySelectorAll(".claim[open]").length;
      const before = open();
      dispatchEvent(new Event("beforeprint"));
      const printed = open();
      dispatchEvent(new Event("afterprint"));
      return [before, printed, open()];"""
    assert asked(tmp_path, html, script) == [0, len(made.claims), 0]


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2, section 1.4.3, of two hexadecimal colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_can_be_read_in_the_light_and_in_the_dark() -> None:
    css = (ROOT / "pipeline/reporting/page/report.css").read_text()
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in css.split("@media")[:2])
    for colours in (light, light | dark):
        for name in ("ink", "soft", "accent", "good", "bad"):
            assert contrast(colours[name], colours["paper"]) >= 4.5, name
        for paper in ("note", "chosen", "lost"):
            assert contrast(colours["ink"], colours[paper]) >= 4.5, paper


def test_numbers_in_the_heatmaps_can_be_read(made: Content) -> None:
    cells = [
        cell
        for heat in itertools.chain(*made.heatmaps.values())
        for _, row in heat.rows
        for cell in row
        if cell.paper
    ]
    assert min(contrast(cell.ink, cell.paper) for cell in cells) >= 4.5
    assert {cell.kind.split()[0] for cell in cells} == {"done"}


def test_nothing_to_choose_from_is_said(tmp_path: Path) -> None:
    none = cached((4, 16), (0.01, 0.1), 3)
    embedded = explore.embedded(none)
    assert all(row["seconds_to_target"] is None for row in embedded["rows"]["1"])
    assert embedded["stops"]["seconds"]["1"] == [{"value": None, "label": "no limit"}]
    if BROWSER:
        script = 'return document.getElementById("choice").textContent;'
        said = asked(tmp_path, pages(none)[0], script)
        assert said == "No batch size meets these limits."


def test_commands_and_keys_are_code() -> None:
    html, _ = pages(cached((4, 8, 16, 64), (0.1, 1.0), 3))
    assert "<code>limits.indifference=0.1</code>" in html
    assert "`" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
