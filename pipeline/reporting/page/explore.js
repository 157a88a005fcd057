// The recommendation under other limits, from the numbers embedded in this page.
// `recommend` gives the answer of pipeline/analysis/recommendation.py for the same limits.
"use strict";

const EQUAL = 0.01; // regrets that differ by no more are the same

function refusals(row, limits) {
  const broken = [];
  const seconds = row.seconds_to_target;
  if (!row.passes_agree) broken.push("timings contradict each other");
  if (seconds === null || row.reached <= row.seeds / 2) broken.push("misses the target");
  if (limits.seconds !== null && seconds !== null && seconds > limits.seconds) broken.push("too slow");
  if (limits.memory_gb !== null && row.peak_bytes !== null && row.peak_bytes > limits.memory_gb * 2 ** 30)
    broken.push("too much memory");
  if (limits.score !== null && !(row.test_score !== null && row.test_score >= limits.score))
    broken.push("score too low");
  if (row.score_difference_high !== null && row.score_difference_high < -limits.margin)
    broken.push("score shown to be worse than the best by more than the margin");
  return broken;
}

function recommend(rows, limits) {
  const judged = rows.map((row) => ({ row, broken: refusals(row, limits) }));
  const allowed = judged.filter((one) => one.broken.length === 0).map((one) => one.row);
  const least = Math.min(...allowed.map((row) => row.regret));
  const before = (a, b) => a.peak_bytes - b.peak_bytes || a.batch_size - b.batch_size;
  const equal = allowed.filter((row) => row.regret <= least + EQUAL).sort(before);
  return { best: equal.length ? equal[0] : null, judged };
}

function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = content;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function explore(data) {
  const names = ["seconds", "memory_gb", "score"];
  const sliders = Object.fromEntries(names.map((name) => [name, document.getElementById(`limit-${name}`)]));
  const devices = document.getElementById("limit-devices");
  const widths = Object.keys(data.rows);
  const width = () => (devices ? widths[Number(devices.value)] : "1");
  const stops = (name) => (name === "seconds" ? data.stops.seconds[width()] : data.stops[name]);
  const knows = (name) => data.stops[name].length > 1; // a program may not tell its memory or its scores
  const limit = (name) => stops(name)[Number(sliders[name].value)].value;

  // the strictest stop that still allows what the limit does
  function move(name, wanted) {
    const looser = (stop) => stop.value === null || (name === "score" ? stop.value <= wanted : stop.value >= wanted);
    sliders[name].max = stops(name).length - 1;
    sliders[name].value = wanted === null ? 0 : stops(name).findLastIndex(looser);
  }

  function say(best) {
    if (!best) return "No batch size meets these limits.";
    const own = best.words;
    const on = width() === "1" ? "" : `, predicted for ${width()} devices`;
    const memory = knows("memory_gb") ? `, ${own.memory}` : "";
    const score = knows("score") ? `, test ${data.score_name} ${own.score} after the whole budget` : "";
    return (
      `Batch size ${own.size} with learning rate ${own.rate}: ${data.target} in ${own.seconds}${on} ` +
      `(${own.interval})${memory}${score}.`
    );
  }

  function tell(name, words) {
    document.getElementById(`shown-${name}`).textContent = words;
    document.getElementById(`limit-${name}`).setAttribute("aria-valuetext", words);
  }

  function line(row, broken, best) {
    const made = element("tr", "", { class: row === best ? "chosen" : broken.length ? "refused" : "" });
    const why = row === best ? "recommended" : broken.join(", ");
    made.append(element("th", row.words.size, { scope: "row" }));
    const memory = knows("memory_gb") ? [row.words.memory] : [];
    const score = knows("score") ? [row.words.score] : [];
    for (const cell of [row.words.rate, row.words.seconds, ...memory, ...score, why])
      made.append(element("td", cell));
    return made;
  }

  function show() {
    for (const name of names) {
      const stop = stops(name)[Number(sliders[name].value)];
      tell(name, stop.value === null ? stop.label : `${name === "score" ? "at least" : "at most"} ${stop.label}`);
    }
    if (devices) tell("devices", `${width()} device${width() === "1" ? "" : "s"}`);
    const limits = Object.fromEntries([...names.map((name) => [name, limit(name)]), ["margin", data.margin]]);
    const { best, judged } = recommend(data.rows[width()], limits);
    document.getElementById("choice").textContent = say(best);
    document.getElementById("choices").replaceChildren(...judged.map(({ row, broken }) => line(row, broken, best)));
  }

  for (const name of names) {
    move(name, data.set[name]);
    sliders[name].addEventListener("input", show);
  }
  if (devices) {
    let seconds = limit("seconds");
    sliders.seconds.addEventListener("input", () => (seconds = limit("seconds")));
    devices.max = widths.length - 1;
    devices.addEventListener("input", () => {
      move("seconds", seconds);
      show();
    });
  }
  show();
}

function describeCells() {
  for (const kind of ["mouseover", "focusin"])
    document.addEventListener(kind, (event) => {
      const cell = event.target.closest("td[data-tip]");
      if (cell) cell.closest("figure").querySelector(".tip").textContent = cell.dataset.tip;
    });
  document.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td[data-tip]");
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (!cell || !(event.key in moves)) return;
    const [down, right] = moves[event.key];
    const rows = cell.closest("tbody").rows;
    const next = rows[cell.parentElement.rowIndex - 1 + down]?.cells[cell.cellIndex + right];
    if (next?.dataset.tip) {
      event.preventDefault();
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    }
  });
}

function printClaims() {
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll(".claim:not([open])")];
    for (const claim of closed) claim.open = true;
  });
  addEventListener("afterprint", () => {
    for (const claim of closed) claim.open = false;
  });
}

if (document.getElementById("choices")) explore(JSON.parse(document.getElementById("explore-data").textContent));
describeCells();
printClaims();
