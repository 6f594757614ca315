"""The report as one HTML file: style and charts inside, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from core.profiler.results import Finding
from core.report.document import (
    AreaChart,
    BoxPlot,
    Chart,
    Document,
    Facts,
    Figures,
    Findings,
    Histogram,
    LineChart,
    Section,
    ShareBar,
    Table,
    Text,
    Verdict,
)
from core.report.style import STYLE
from core.report.svg import draw
from core.translation import tr

MARKS = {"cause": tr("● Root cause"), "warning": "▲ Worth a change", "info": tr("✓ Good to know")}
_TONE_MARKS = {"warning": "▲ ", "good": "✓ ", "muted": "", "plain": ""}
_WIDE = 5
"""From so many columns on a table scrolls sideways on a narrow screen, instead of breaking its words."""
_MANY_ROWS = 12
"""From so many rows on a table can be folded."""


def render_html(document: Document) -> str:
    """Return the whole file."""
    titles = {section.key: section.title for section in document.sections}
    facts = "".join(f"<span>{escape(fact)}</span>" for fact in document.facts)
    links = "".join(f'<a href="#{key}">{escape(title)}</a>' for key, title in titles.items())
    body = "\n".join(_section(section, titles) for section in document.sections)
    first = document.sections[0].key if document.sections else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(document.title)}: {escape(document.subtitle)}</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#{first}">Skip to the report</a>
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


def _section(section: Section, titles: Mapping[str, str]) -> str:
    parts: list[str] = []
    charts: list[str] = []

    def end_charts() -> None:
        if charts:
            parts.append(f'<div class="charts">{"".join(charts)}</div>')
            charts.clear()

    for block in section.blocks:
        if isinstance(block, LineChart | AreaChart | Histogram | BoxPlot | ShareBar):
            charts.append(_figure(block))
        else:
            end_charts()
            parts.append(_block(block, titles))
    end_charts()
    heading = f'<h2 id="{section.key}-title">{escape(section.title)}</h2>'
    inside = "".join(parts)
    return (
        f'<section id="{section.key}" tabindex="-1" aria-labelledby="{section.key}-title">{heading}\n{inside}</section>'
    )


def _block(block: Text | Verdict | Facts | Figures | Findings | Table, titles: Mapping[str, str]) -> str:
    match block:
        case Text():
            return f'<p class="{block.tone}">{escape(block.text)}</p>'
        case Verdict():
            sentences = " ".join(f"<span>{escape(sentence)}</span>" for sentence in block.sentences)
            return f'<p class="verdict {block.tone}">{sentences}</p>'
        case Facts():
            items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in block.items)
            return f'<dl class="known">{items}</dl>'
        case Figures():
            items = "".join(
                f"<div><dt>{escape(label)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
                for label, value, note in block.items
            )
            return f'<dl class="figures">{items}</dl>'
        case Findings():
            return f'<div class="findings">{"".join(_finding(finding, titles) for finding in block.items)}</div>'
        case Table():
            return _table(block)


def _finding(finding: Finding, titles: Mapping[str, str]) -> str:
    rows = (("Change", finding.change), ("Gain", finding.gain))
    parts = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in rows if text)
    details = f"<dl>{parts}</dl>" if parts else ""
    title = titles.get(finding.evidence)
    link = f'<a href="#{finding.evidence}">See {escape(title)}</a>' if title else ""
    return (
        f'<article class="finding {finding.severity}"><div class="mark">{MARKS[finding.severity]}</div>'
        f"<h3>{escape(finding.title)}</h3><p>{escape(finding.text)}</p>{details}{link}</article>"
    )


def _table(table: Table) -> str:
    def cell(tag: str, index: int, text: str, tone: str = "", scope: str = "") -> str:
        names = " ".join(name for name in ("right" if index in table.right else "", tone) if name)
        classes = f' class="{names}"' if names else ""
        return f"<{tag}{classes}{scope}>{escape(text)}</{tag}>"

    head = "".join(cell("th", index, name, scope=' scope="col"') for index, name in enumerate(table.columns))
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
    # What scrolls sideways must be reachable without a mouse.
    name = escape(", ".join(filter(None, table.columns)))
    many = " many" if len(table.columns) >= _WIDE else ""
    made = (
        f'<div class="scroll{many}" tabindex="0" role="region" aria-label="{name}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    if len(table.rows) < _MANY_ROWS:
        return made
    return f"<details open><summary>{len(table.rows):,} rows</summary>{made}</details>"


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
    text = "" if isinstance(chart, ShareBar) else chart.note
    note = f"<figcaption>{escape(text)}</figcaption>" if text else ""
    wide = ' class="wide"' if isinstance(chart, ShareBar | BoxPlot) else ""
    return f"<figure{wide}><h3>{escape(chart.title)}</h3>{draw(chart)}{legend}{note}</figure>"
