"""The page of a report: HTML that needs no network, in which every text is escaped."""

import html
import json
import math
import re
from collections.abc import Sequence
from importlib import resources
from string import Template
from typing import Any

from forecaster.html_report.charts import draw_plot, encode_panel, format_value
from forecaster.html_report.content import Block, Cell, Chart, Code, Facts, Report, Section, Sentences, Table

MOST_BYTES = 2_000_000  # of a page
_MOST_CHART_BYTES = 1_300_000  # of the values of all charts
_MOST_ROWS = 1000  # of a table
_SEARCHED = 30  # rows from which a table has a search


def render_report(report: Report) -> str:
    """Render a report as one HTML file of less than `MOST_BYTES`."""
    files = {name: resources.files("forecaster.html_report").joinpath(name).read_text("utf-8") for name in _FILES}
    drawn = _DrawnCharts()
    sections = "".join(_render_section(section, drawn) for section in report.sections)
    links = "".join(f'<a href="#{_identify(each.title)}">{html.escape(each.title)}</a>' for each in report.sections)
    tiles = "".join(
        f'<div class="tile"><dt>{html.escape(tile.label)}</dt><dd>{html.escape(tile.value)}'
        f"<small>{html.escape(tile.hint)}</small></dd></div>"
        for tile in report.tiles
    )
    return Template(files["page.html"]).substitute(
        title=html.escape(report.title),
        subtitle=html.escape(report.subtitle),
        headline=html.escape(report.headline),
        verdict="".join(f"<p>{html.escape(sentence)}</p>" for sentence in report.verdict),
        tiles=tiles,
        links=links,
        sections=sections,
        style=files["page.css"],
        script=files["page.js"],
        data=drawn.to_json(),
    )


_FILES = ("page.html", "page.css", "page.js")


class _DrawnCharts:
    """The charts of a page, encoded, as long as there is room for their panels; many panels share their times."""

    def __init__(self) -> None:
        self._charts: dict[str, Any] = {}
        self._times: dict[tuple[str, ...], int] = {}
        self._room = _MOST_CHART_BYTES

    def add(self, chart: Chart) -> int:
        """Add a chart; return how many of its panels there is room for, at least one."""
        panels: list[Any] = []
        for panel in chart.panels:
            times = tuple(panel.times)
            encoded = encode_panel(panel, self._times.get(times, len(self._times)))
            self._room -= len(_encode_json(encoded).encode())
            self._room -= 0 if times in self._times else len(_encode_json(times).encode())
            if panels and self._room < 0:
                break
            self._times.setdefault(times, len(self._times))
            panels.append(encoded)
        self._charts[chart.name] = {
            "lines": [[line.label, line.color, line.dash] for line in chart.lines],
            "bands": list(chart.bands),
            "zero": chart.is_from_zero,
            "shown": chart.shown,
            "panels": panels,
        }
        return len(panels)

    def to_json(self) -> str:
        """Encode them for the script."""
        return _encode_json({"times": list(self._times), "charts": self._charts})


def _encode_json(value: Any) -> str:
    """Encode JSON for a script element, which no text inside can end."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _identify(title: str) -> str:
    return "section-" + re.sub(r"\W+", "-", title.lower())


def _render_section(section: Section, drawn: _DrawnCharts) -> str:
    blocks = "".join(_render_block(block, drawn) for block in section.blocks)
    return f'<section id="{_identify(section.title)}"><h2>{html.escape(section.title)}</h2>{blocks}</section>'


def _render_block(block: Block, drawn: _DrawnCharts) -> str:
    match block:
        case Chart():
            return _render_chart(block, drawn)
        case Table():
            return _render_table(block)
        case Facts():
            pairs = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in block.pairs)
            return f'<dl class="facts">{pairs}</dl>'
        case Sentences():
            kind = ' class="warning"' if block.are_warnings else ""
            return "".join(f"<p{kind}>{html.escape(text)}</p>" for text in block.texts)
        case Code():
            code = f"<pre tabindex=0><code>{html.escape(block.text)}</code></pre>"
            return (
                f"<details><summary>{html.escape(block.summary)}</summary>{code}</details>" if block.summary else code
            )


def _render_chart(chart: Chart, drawn: _DrawnCharts) -> str:
    """Render a chart: its first panel as SVG, a legend, and what the script turns into controls."""
    shown = drawn.add(chart)
    name, title = html.escape(chart.name), html.escape(chart.title)
    notes = [chart.note] if chart.note else []
    if shown < (total := max(chart.total, len(chart.panels))):
        notes.append(f"{shown:,} of {total:,} series can be selected, those with the largest errors.")
    keys = [(f"line {line.color} dash{line.dash}", "M1,4H27", line.label) for line in chart.lines]
    keys += [(f"band band{number}", "M0,0H28V8H0Z", label) for number, label in enumerate(chart.bands)]
    legend = "".join(
        f'<span><svg viewBox="0 0 28 8" aria-hidden="true"><path class="{kind}" d="{path}"/></svg>'
        f"{html.escape(label)}</span>"
        for kind, path, label in keys
    )
    panel = chart.panels[0]
    unit = f'<div class="unit">{html.escape(chart.unit)}</div>' if chart.unit else ""
    subject = f'<p class="subject">{html.escape(panel.name)}</p>' if panel.name else ""
    return (
        f'<figure class="chart" data-chart="{name}"><figcaption>{title}</figcaption>{subject}'
        f'<div class="legend">{legend}</div>'
        f'<div class="plot" role="img" aria-label="{title}">{draw_plot(chart, panel)}</div>{unit}'
        + "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes)
        + "</figure>"
    )


def _render_table(table: Table) -> str:
    are_numbers = [
        any(isinstance(row[place], int | float) for row in table.rows) for place in range(len(table.columns))
    ]
    head = "".join(
        f'<th scope="col"{" class=number" if is_number else ""}>{html.escape(name)}</th>'
        for name, is_number in zip(table.columns, are_numbers, strict=True)
    )
    body = "".join(_render_row(row) for row in table.rows[:_MOST_ROWS])
    left = len(table.rows) - _MOST_ROWS
    notes = [table.note, f"The first {_MOST_ROWS:,} of {len(table.rows):,} rows." if left > 0 else ""]
    searched = " data-search" if len(table.rows) >= _SEARCHED else ""
    links = {"selects": table.selects, "follows": table.follows}
    linked = "".join(f' data-{name}="{html.escape(chart)}"' for name, chart in links.items() if chart)
    return (
        f'<div class="scroll" tabindex="0"><table{searched}{linked}><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        + "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes if note)
    )


def _render_row(row: Sequence[Cell]) -> str:
    first, *others = row
    return f'<tr><th scope="row">{html.escape(_format(first))}</th>' + "".join(map(_render_cell, others)) + "</tr>"


def _render_cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return f"<td>{html.escape(cell)}</td>"
    # The value itself, by which the script sorts.
    value = "" if cell is None else f' data-value="{cell!r}"'
    return f'<td class="number"{value}>{_format(cell)}</td>'


def _format(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    if cell is None or math.isnan(cell):
        return "–"
    return f"{cell:,}" if isinstance(cell, int) else format_value(float(f"{cell:.4g}"))
