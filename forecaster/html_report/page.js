"use strict";
(() => {
const { times: axes, charts } = JSON.parse(document.getElementById("charts").textContent);
for (const chart of Object.values(charts)) for (const panel of chart.panels) panel.t = axes[panel.t];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const format = value => value == null ? "–"
  : value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e15) ? value.toExponential(3)
  : value.toLocaleString("en-US", { maximumSignificantDigits: 6 }).replace("-", "\u2212");

// Ticks, as in charts.py.
const chooseTicks = (low, high, most) => {
  let step = 10 ** Math.floor(Math.log10((high - low) / most));
  step *= [1, 2, 5, 10].find(factor => (high - low) / (factor * step) <= most);
  const ticks = [];
  for (let n = Math.ceil(low / step); n <= Math.floor(high / step); n++) ticks.push(n * step + 0);  // no -0
  return ticks;
};
const rank = (times, i) => {
  const text = times[i], before = i ? times[i - 1] : "";
  if (text.indexOf("-", 1) < 0) return [[3, 100], [2, 10], [1, 5]].find(([, n]) => text % n === 0)?.[0] ?? 0;
  if (!before) return text.slice(4, 10) === "-01-01" ? 4 : text.slice(7, 10) === "-01" ? 3 : ["", "00:00"].includes(text.slice(11, 16)) ? 2 : 0;
  const changed = [[4, 4], [3, 7], [2, 10]].find(([, length]) => text.slice(0, length) !== before.slice(0, length));
  return changed ? changed[0] : text.slice(14, 16) === "00" && text.slice(11, 13) % 6 === 0 ? 1 : 0;
};
const nameTick = (text, level) => {
  if (text.indexOf("-", 1) < 0) return text;
  const month = MONTHS[text.slice(5, 7) - 1];
  if (level >= 3) return level === 4 ? text.slice(0, 4) : `${month} ${text.slice(0, 4)}`;
  return level === 2 || ["", "00:00"].includes(text.slice(11, 16)) ? `${+text.slice(8, 10)} ${month}` : text.slice(11, 16);
};
const pickTimes = (times, first, last, most) => {
  for (const least of [4, 3, 2, 1, 0]) {
    const found = [];
    for (let i = first; i <= last; i++) if (rank(times, i) >= least) found.push(i);
    if (found.length >= 3 || least === 0) return found.filter((_, k) => k % Math.max(1, Math.ceil(found.length / most)) === 0);
  }
};

class ChartView {
  constructor(figure) {
    this.chart = charts[figure.dataset.chart];
    this.figure = figure;
    this.plot = figure.querySelector(".plot");
    [this.values, this.area, this.times] = [".values", ".area", ".times"].map(name => this.plot.querySelector(name));
    this.svg = this.area.querySelector("svg");
    this.cursorLine = make("div", { className: "cursor", hidden: true });
    this.selection = make("div", { className: "selection", hidden: true });
    this.tip = make("div", { className: "tip" });
    this.tip.setAttribute("role", "status");
    this.area.append(this.cursorLine, this.selection, this.tip);
    this.plot.tabIndex = 0;
    this.plot.setAttribute("role", "application");
    this.plot.setAttribute("aria-label", `${this.plot.getAttribute("aria-label")}. Arrow keys move the cursor, plus and minus zoom, Escape shows all.`);
    this.addControls();
    this.listen();
    this.select(0);
  }
  addControls() {
    const controls = make("div", { className: "controls" });
    if (this.chart.panels.length > 1) {
      const select = make("select", {}, ...this.chart.panels.map((panel, i) => make("option", { value: i, textContent: panel.n })));
      select.onchange = () => this.select(+select.value);
      this.selector = select;
      controls.append(make("label", { textContent: "Series " }, select));
    }
    const button = (text, label, action) => {
      const made = make("button", { type: "button", textContent: text, onclick: action });
      made.setAttribute("aria-label", label);
      return made;
    };
    if (this.chart.panels.some(panel => panel.t.length > 40)) {
      controls.append(button("+", "Zoom in", () => this.zoom(0.5)), button("\u2212", "Zoom out", () => this.zoom(2)),
        button("All", "Show all", () => this.show(0, this.panel.t.length - 1)));
      if (this.chart.shown) controls.append(button("Newest", "Show the newest part", () => this.showNewest()));
    }
    if (controls.children.length) this.figure.querySelector(".legend").before(controls);
  }
  select(number) {
    this.panel = this.chart.panels[number];
    if (this.selector) this.selector.value = number;
    const subject = this.figure.querySelector(".subject");
    if (subject) subject.textContent = this.panel.n;
    this.places = this.panel.p ?? this.panel.t.map((_, i) => i);
    this.cursor = null;
    this.listForecast();
    this.showNewest();
  }
  listForecast() {
    const { t, l, b, o } = this.panel, number = value => {
      const cell = make("td", { className: "number", textContent: format(value) });
      cell.dataset.value = value;
      return cell;
    };
    for (const table of document.querySelectorAll("table[data-follows]")) {
      if (charts[table.dataset.follows] !== this.chart || this.chart.panels.length < 2) continue;
      table.tBodies[0].replaceChildren(...t.slice(o + 1).map((time, k) => make("tr", {},
        make("th", { scope: "row", textContent: time }), ...[l[1], ...b.flat()].map(values => number(values[o + 1 + k])))));
    }
  }
  showNewest() {
    const last = this.panel.t.length - 1;
    this.show(this.chart.shown ? last + 1 - this.chart.shown : 0, last);
  }
  show(first, last) {
    const end = this.panel.t.length - 1, width = Math.min(end, Math.max(Math.round(last - Math.max(first, 0)), 4));
    this.first = Math.max(0, Math.min(Math.round(first), end - width));
    this.last = this.first + width;
    this.draw();
  }
  zoom(factor) {
    const width = (this.last - this.first) * factor, centre = this.cursor ?? (this.first + this.last) / 2;
    const share = (centre - this.first) / Math.max(this.last - this.first, 1);
    this.show(centre - share * width, centre + (1 - share) * width);
  }
  draw() {
    const { first, last, places, panel } = this;
    const cut = values => values.slice(first, last + 1);
    const lines = panel.l.map(cut), bands = panel.b.map(pair => pair.map(cut));
    const known = [...lines, ...bands.flat()].flat().filter(value => value != null);
    let low = known.length ? known.reduce((a, b) => Math.min(a, b)) : 0, high = known.length ? known.reduce((a, b) => Math.max(a, b)) : 1;
    const room = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1;
    [low, high] = this.chart.zero ? [Math.min(low, 0), high + room] : [low - room, high + room];
    const span = Math.max(places[last] - places[first], 1);
    this.x = i => 1000 * (places[i] - places[first]) / span;
    const y = value => 1000 * (high - value) / (high - low);
    const point = (i, value) => `${this.x(first + i).toFixed(1)},${y(value).toFixed(1)}`;
    const runs = values => {
      const found = [];
      values.forEach((value, i) => {
        if (value == null) return;
        if (i && values[i - 1] != null) found.at(-1).push(i); else found.push([i]);
      });
      return found;
    };
    const trace = values => runs(values).map(run => "M" + run.map(i => point(i, values[i])).join("L") + (run.length > 1 ? "" : "h0")).join("");
    const outline = ([lower, upper]) => runs(lower).map(run =>
      "M" + [...run.map(i => point(i, upper[i])), ...run.slice().reverse().map(i => point(i, lower[i]))].join("L") + "Z").join("");
    const ticks = chooseTicks(low, high, 5);
    this.svg.innerHTML = ticks.map(tick => `<path class="grid" d="M0,${y(tick).toFixed(1)}H1000"/>`).join("")
      + bands.map((band, k) => `<path class="band band${k}" d="${outline(band)}"/>`).join("")
      + (panel.o != null && panel.o >= first && panel.o <= last ? `<path class="origin" d="M${this.x(panel.o).toFixed(1)},0V1000"/>` : "")
      + lines.map((values, k) => `<path class="line ${this.chart.lines[k][1]} dash${this.chart.lines[k][2]}" d="${trace(values)}"/>`).join("");
    const label = (text, side, share) => {
      const span = make("span", { textContent: text });
      span.style[side] = `${share}%`;
      if (side === "left" && share > 95) span.className = "end";
      return span;
    };
    this.values.replaceChildren(...ticks.map(tick => label(format(tick), "bottom", 100 * (tick - low) / (high - low))));
    const most = Math.max(2, Math.floor((this.area.clientWidth || 600) / 85));
    this.times.replaceChildren(...pickTimes(panel.t, first, last, most).map(i => label(nameTick(panel.t[i], rank(panel.t, i)), "left", this.x(i) / 10)));
    this.point(this.cursor);
  }
  point(i) {
    const isShown = i != null && i >= this.first && i <= this.last;
    this.cursor = isShown ? i : null;
    this.cursorLine.hidden = !isShown;
    this.tip.replaceChildren();
    if (!isShown) return;
    const share = this.x(i) / 10, isKnown = this.panel.o != null && i <= this.panel.o;
    this.cursorLine.style.left = `${share}%`;
    const rows = this.chart.lines.map(([name], k) => [name, this.panel.l[k][i], k]).filter(([, value, k]) => value != null && !(isKnown && k));
    this.tip.append(make("b", { textContent: this.panel.t[i] }), ...rows.map(([name, value]) => make("div", { textContent: `${name}: ${format(value)}` })));
    if (!isKnown) this.chart.bands.forEach((name, k) => {
      const [low, high] = this.panel.b[k].map(bound => bound[i]);
      if (low != null) this.tip.append(make("div", { textContent: `${name}: ${format(low)} to ${format(high)}` }));
    });
    this.tip.style.left = share < 50 ? `calc(${share}% + 8px)` : "";
    this.tip.style.right = share < 50 ? "" : `calc(${100 - share}% + 8px)`;
  }
  find(event) {
    const box = this.area.getBoundingClientRect(), at = 1000 * (event.clientX - box.left) / box.width;
    let best = this.first;
    for (let i = this.first; i <= this.last; i++) if (Math.abs(this.x(i) - at) < Math.abs(this.x(best) - at)) best = i;
    return best;
  }
  listen() {
    let begin = null;
    this.area.onpointermove = event => {
      const i = this.find(event);
      this.point(i);
      if (begin == null) return;
      const [a, b] = [this.x(Math.min(begin, i)) / 10, this.x(Math.max(begin, i)) / 10];
      this.selection.hidden = begin === i;
      this.selection.style.left = `${a}%`;
      this.selection.style.width = `${b - a}%`;
    };
    this.area.onpointerdown = event => {
      this.point(this.find(event));
      if (event.pointerType === "mouse" && event.button === 0) { begin = this.cursor; this.area.setPointerCapture(event.pointerId); }
    };
    this.area.onpointerup = event => {
      const end = this.find(event), from = begin;
      begin = null;
      this.selection.hidden = true;
      if (from != null && Math.abs(end - from) >= 2) this.show(Math.min(from, end), Math.max(from, end));
    };
    this.area.onpointerleave = () => { if (begin == null) this.point(null); };
    this.area.ondblclick = () => this.show(0, this.panel.t.length - 1);
    this.area.addEventListener("wheel", event => {
      if (!event.ctrlKey && !event.metaKey) return;  // or the page could not be scrolled past a chart
      event.preventDefault();
      this.point(this.find(event));
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8);
    }, { passive: false });
    this.plot.onkeydown = event => {
      const step = event.shiftKey ? 10 : 1, at = this.cursor ?? this.panel.o ?? this.first;
      const move = { ArrowLeft: at - step, ArrowRight: at + step, Home: this.first, End: this.last }[event.key];
      if (move != null) {
        const i = Math.max(0, Math.min(move, this.panel.t.length - 1));
        if (i < this.first || i > this.last) this.show(this.first + i - at, this.last + i - at);
        this.point(i);
      } else if (event.key === "+" || event.key === "=") this.zoom(0.5);
      else if (event.key === "-") this.zoom(2);
      else if (event.key === "Escape") this.show(0, this.panel.t.length - 1);
      else return;
      event.preventDefault();
    };
    this.plot.onblur = () => this.point(null);
    let width = 0;
    new ResizeObserver(() => {
      if (this.area.clientWidth !== width) { width = this.area.clientWidth; this.draw(); }
    }).observe(this.area);
  }
}

const views = {};
for (const figure of document.querySelectorAll(".chart")) views[figure.dataset.chart] = new ChartView(figure);

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const read = (row, place) => {
    const cell = row.cells[place];
    return cell.dataset.value != null ? +cell.dataset.value : cell.classList.contains("number") ? null : cell.textContent;
  };
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    const button = make("button", { type: "button", textContent: head.textContent });
    head.replaceChildren(button);
    button.onclick = () => {
      const rising = head.getAttribute("aria-sort") === "descending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const compare = (a, b) => a == null ? 1 : b == null ? -1
        : (rising ? 1 : -1) * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
      body.append(...[...body.rows].sort((a, b) => compare(read(a, place), read(b, place))));
    };
  });
  if (table.hasAttribute("data-search")) {
    const input = make("input", { type: "search", placeholder: "Search" });
    input.setAttribute("aria-label", "Search the rows of this table");
    input.oninput = () => {
      const text = input.value.toLowerCase();
      for (const row of body.rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(text);
    };
    table.parentElement.before(make("div", { className: "controls" }, input));
  }
  const view = views[table.dataset.selects];
  if (view) {
    const numbers = new Map(view.chart.panels.map((panel, i) => [panel.n, i]));
    for (const row of body.rows) {
      const cell = row.cells[0], number = numbers.get(cell.textContent);
      if (number == null || numbers.size < 2) continue;
      cell.replaceChildren(make("button", {
        type: "button", textContent: cell.textContent, title: "Show in the chart",
        onclick: () => { view.select(number); view.figure.scrollIntoView({ block: "center" }); view.plot.focus({ preventScroll: true }); },
      }));
    }
  }
}

const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
const theme = make("button", { type: "button", className: "theme", textContent: "Light or dark" });
theme.onclick = () => {
  const isDark = (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  root.dataset.theme = isDark ? "light" : "dark";
};
document.querySelector(".top").append(theme);
})();
