"""The report as one HTML file: style and charts inside, no script, nothing fetched."""

from __future__ import annotations

from html import escape

from core.profiler.results import Finding
from core.report.document import (
    AreaChart,
    Block,
    BoxPlot,
    Chart,
    Document,
    Figures,
    Findings,
    Histogram,
    LineChart,
    Section,
    ShareBar,
    Table,
    Text,
)
from core.report.style import STYLE
from core.report.svg import draw

_MARKS = {"warning": "▲ Worth a change", "info": "✓ Good to know"}
_TONE_MARKS = {"warning": "▲ ", "good": "✓ ", "muted": "", "plain": ""}


def render_html(document: Document) -> str:
    """The whole file."""
    facts = "".join(f"<span>{escape(fact)}</span>" for fact in document.facts)
    links = "".join(f'<a href="#{section.key}">{escape(section.title)}</a>' for section in document.sections)
    body = "\n".join(_section(section) for section in document.sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(document.title)}: {escape(document.subtitle)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<div class="kicker">{escape(document.title)}</div>
<h1>{escape(document.subtitle)}</h1>
<div class="facts">{facts}</div>
</header>
<nav aria-label="Sections"><div>{links}</div></nav>
<main>
{body}
</main>
<footer>{escape(document.footer)}</footer>
</body>
</html>
"""


def _section(section: Section) -> str:
    parts: list[str] = []
    charts: list[str] = []
    for block in section.blocks:
        if isinstance(block, LineChart | AreaChart | Histogram | BoxPlot | ShareBar):
            charts.append(_figure(block))
            continue
        if charts:
            parts.append(f'<div class="charts">{"".join(charts)}</div>')
            charts = []
        parts.append(_block(block))
    if charts:
        parts.append(f'<div class="charts">{"".join(charts)}</div>')
    return f'<section id="{section.key}"><h2>{escape(section.title)}</h2>\n{"".join(parts)}</section>'


def _block(block: Block) -> str:
    match block:
        case Text():
            return f'<p class="{block.tone}">{escape(block.text)}</p>'
        case Figures():
            items = "".join(
                f"<div><dt>{escape(label)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
                for label, value, note in block.items
            )
            return f'<dl class="figures">{items}</dl>'
        case Findings():
            return f'<div class="findings">{"".join(_finding(finding) for finding in block.items)}</div>'
        case Table():
            return _table(block)
        case _:
            return _figure(block)


def _finding(finding: Finding) -> str:
    return (
        f'<article class="finding {finding.severity}"><div class="mark">{_MARKS[finding.severity]}</div>'
        f"<h3>{escape(finding.title)}</h3><p>{escape(finding.text)}</p>"
        f"{_finding_details(finding)}</article>"
    )


def _finding_details(finding: Finding) -> str:
    rows = (("Change", finding.change), ("Gain", finding.gain))
    parts = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in rows if text)
    return f"<dl>{parts}</dl>" if parts else ""


def _table(table: Table) -> str:
    def cell(tag: str, index: int, text: str, tone: str = "") -> str:
        names = " ".join(name for name in ("right" if index in table.right else "", tone) if name)
        classes = f' class="{names}"' if names else ""
        return f"<{tag}{classes}>{escape(text)}</{tag}>"

    head = "".join(cell("th", index, name) for index, name in enumerate(table.columns))
    rows = []
    for number, row in enumerate(table.rows):
        tone = table.tones[number] if table.tones else "plain"
        cells = [
            cell("td", index, _TONE_MARKS[tone] + text, tone if table.tones else "")
            if index == 1
            else cell("td", index, text)
            for index, text in enumerate(row)
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _figure(chart: Chart) -> str:
    labels: list[tuple[str, int]] = []
    match chart:
        case LineChart() if len(chart.lines) > 1:
            labels = [(line.label, line.colour) for line in chart.lines]
        case AreaChart():
            labels = [(label, colour) for label, colour, _ in chart.layers]
        case ShareBar():
            labels = [(f"{label} {text}", colour) for label, colour, _, text in chart.parts]
    keys = "".join(f'<span><i class="k{colour % 8}"></i>{escape(label)}</span>' for label, colour in labels)
    legend = f'<div class="legend">{keys}</div>' if keys else ""
    text = "" if isinstance(chart, BoxPlot | ShareBar) else chart.note
    note = f"<figcaption>{escape(text)}</figcaption>" if text else ""
    wide = ' class="wide"' if isinstance(chart, ShareBar | BoxPlot) else ""
    return f"<figure{wide}><h3>{escape(chart.title)}</h3>{draw(chart)}{legend}{note}</figure>"
