"""The style sheet of the HTML report: light, dark by the reader's own setting, and paper."""

from __future__ import annotations

from core.report.document import SERIES

_COLOURS = "".join(f".s{i}{{stroke:{c}}}.f{i}{{fill:{c}}}.k{i}{{background:{c}}}" for i, c in enumerate(SERIES))

_LIGHT = (
    "--page:#F6F7F5;--card:#FFFFFF;--line:#E1E5DF;--text:#1C211D;--muted:#5C665E;--accent:#2F7D55;"
    "--good:#2F7D55;--warning:#9A5B00;--warning-back:#FDF4E3;--tint:#EEF5F0"
)
_DARK = (
    "--page:#161917;--card:#1E2220;--line:#2F3632;--text:#E8ECE9;--muted:#9AA59D;--accent:#6FC597;"
    "--good:#6FC597;--warning:#F0B65A;--warning-back:#2C2618;--tint:#1F2A24"
)

STYLE = (
    ":root{color-scheme:light dark;"
    + _LIGHT
    + "}@media screen and (prefers-color-scheme:dark){:root{"
    + _DARK
    + "}}@media print{:root{color-scheme:light;--page:#FFFFFF}}"
    + _COLOURS
    # The palette's blue is too dark on a dark card.
    + "@media screen and (prefers-color-scheme:dark){.s0{stroke:#4A9FD8}.f0{fill:#3D93CE}.k0{background:#3D93CE}}"
    + """
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:56px}
body{margin:0;background:var(--page);color:var(--text);font:14px/1.5 system-ui,-apple-system,"Segoe UI",Inter,Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-print-color-adjust:exact;print-color-adjust:exact}
main,header,footer{max-width:1140px;margin:0 auto;padding:0 20px}
header{padding-top:36px;padding-bottom:16px}
.kicker{color:var(--accent);font-weight:600;font-size:12px;letter-spacing:.06em;text-transform:uppercase}
h1{font-size:28px;line-height:1.2;margin:6px 0 8px;font-weight:650;overflow-wrap:anywhere}
h2{font-size:19px;font-weight:620;margin:0 0 14px}
h3{font-size:13px;font-weight:600;margin:0 0 8px}
.facts{color:var(--muted)}
.facts span+span::before{content:"·";margin:0 8px}
nav{position:sticky;top:0;z-index:1;background:var(--page);border-bottom:1px solid var(--line);margin-bottom:20px}
nav div{max-height:84px;overflow-y:auto;max-width:1140px;margin:0 auto;padding:8px 16px;display:flex;flex-wrap:wrap;
gap:2px}
nav a{color:var(--muted);text-decoration:none;padding:5px 9px;border-radius:6px;white-space:nowrap;font-size:12.5px}
nav a:hover,nav a:focus-visible{color:var(--text);background:var(--tint)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:20px;margin:0 0 16px}
p{margin:0 0 12px;max-width:75ch;text-wrap:pretty}
p:last-child{margin-bottom:0}
.skip{position:absolute;left:-999px;top:8px;background:var(--card);color:var(--text);padding:8px 12px;z-index:2}
.skip:focus{left:8px}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:4px}
section:focus{outline:none}
section:target{border-color:var(--accent)}
p.verdict{font-size:17px;line-height:1.45;font-weight:500;border-left:4px solid var(--line);padding:2px 0 2px 14px;
margin:0 0 18px;max-width:none}
p.verdict.warning{background:none;border-left-color:var(--warning);border-radius:0}
p.verdict.good{border-left-color:var(--good)}
dl.known{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:0 0 18px}
dl.known dt{color:var(--muted)}
dl.known dd{margin:0;overflow-wrap:anywhere}
details summary{cursor:pointer;color:var(--muted);font-size:12px;margin:0 0 6px;width:max-content}
p.muted{color:var(--muted)}
p.warning{background:var(--warning-back);color:var(--text);border-left:3px solid var(--warning);padding:8px 12px;
border-radius:0 6px 6px 0}
.findings+p{margin-top:18px}
.findings{display:grid;grid-template-columns:repeat(auto-fit,minmax(290px,1fr));gap:16px}
.finding{background:var(--card);border:1px solid var(--line);border-top:3px solid var(--good);border-radius:10px;
padding:16px;display:flex;flex-direction:column;gap:8px}
.finding.warning,.finding.cause{border-top-color:var(--warning)}
.finding.cause{background:var(--warning-back);grid-column:1/-1}
.finding .mark{font-size:12px;font-weight:600;color:var(--good)}
.finding.warning .mark,.finding.cause .mark{color:var(--warning)}
.finding>a{color:var(--accent);margin-top:auto;width:max-content}
.finding h3{font-size:15.5px;margin:0;font-weight:620;line-height:1.3}
.finding p{margin:0}
.finding dl{margin:0;display:grid;grid-template-columns:auto 1fr;gap:4px 10px}
.finding dt{color:var(--muted)}
.finding dd{margin:0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;margin:0 0 16px}
.figures div{border-left:2px solid var(--line);padding-left:10px}
.figures dt{color:var(--muted);font-size:12px}
.figures dd{margin:0;font-size:17px;font-weight:600;font-variant-numeric:tabular-nums;line-height:1.35}
.figures small{display:block;color:var(--muted);font-weight:400;font-size:12px}
.scroll{overflow-x:auto;margin:0 0 16px}
.scroll:last-child{margin-bottom:0}
table{border-collapse:collapse;width:100%;font-size:13px}
th{color:var(--muted);font-weight:500;text-align:left;font-size:12px;
border-bottom:1px solid var(--line);padding:6px 10px 6px 0}
td{border-bottom:1px solid var(--line);padding:7px 10px 7px 0;vertical-align:top}
tr:last-child td{border-bottom:0}
th.right,td.right{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.warning,td.good,td.muted{white-space:nowrap}
td.warning{color:var(--warning);font-weight:600}
td.good{color:var(--good);font-weight:600}
td.muted{color:var(--muted)}
.charts{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:20px 28px;margin:0 0 20px}
figure{margin:0;min-width:0;break-inside:avoid}
figure.wide{grid-column:1/-1}
figcaption{color:var(--muted);font-size:12px;margin-top:4px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg.bar{height:26px}
.tick{font-size:10.5px;fill:var(--muted);font-variant-numeric:tabular-nums}
.grid{stroke:var(--line);stroke-width:1;fill:none}
.axis{stroke:var(--muted);stroke-width:1;fill:none}
.line{fill:none;stroke-width:1.4;stroke-linejoin:round}
.dot{fill:none;stroke-width:6;stroke-linecap:round}
.band{opacity:.18;stroke:none}
.area{opacity:.9;stroke:none}
.limit{stroke:var(--text);stroke-width:1;stroke-dasharray:3 3;fill:none}
.box{fill:#0072B2;fill-opacity:.35;stroke:#0072B2}
.median{stroke:var(--text);stroke-width:2}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;margin-top:6px;font-size:12px;color:var(--muted)}
.legend i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:6px}
footer{color:var(--muted);font-size:12px;padding-top:8px;padding-bottom:40px}
@media screen and (max-width:820px){.charts{grid-template-columns:minmax(0,1fr)}}
.boxes{display:grid;grid-template-columns:minmax(80px,max-content) minmax(0,1fr);gap:6px 12px;align-items:center;
font-size:11.5px;color:var(--muted)}
.boxes svg{height:16px}
.boxes .ticks{position:relative;height:16px;margin-right:28px;font-variant-numeric:tabular-nums}
.boxes .ticks span{position:absolute;transform:translateX(-50%);white-space:nowrap}
.boxes svg{margin-right:28px;width:calc(100% - 28px)}
.boxes path,.boxes rect{vector-effect:non-scaling-stroke}
@media screen and (max-width:820px){.many table{min-width:620px}}
@media screen and (max-width:520px){.tick{font-size:14.5px}}
@media print{nav,.skip,summary,.finding>a{display:none}details{display:block}body{font-size:8.8pt}
header,main,footer{padding-left:0;padding-right:0}header{padding-top:0}
section{border:0;border-top:1px solid var(--line);border-radius:0;padding:12px 0;margin:0}h2{break-after:avoid}
h1{font-size:17pt}h2{font-size:13pt}table{font-size:8pt}th,.legend,figcaption{font-size:7.5pt}.tick{font-size:12.5px}
.findings{grid-template-columns:repeat(auto-fit,minmax(55mm,1fr));gap:8px}
.finding{break-inside:avoid;padding:8px;gap:4px}
p.verdict{font-size:11pt;margin-bottom:10px}dl.known{gap:1px 12px;margin-bottom:10px}
.charts{gap:10px 20px;margin-bottom:12px}
.finding h3{font-size:10pt}
.figures{grid-template-columns:repeat(6,1fr);break-inside:avoid;break-after:avoid}
.figures dd{font-size:11pt}tr{break-inside:avoid}@page{margin:14mm}
tbody tr:nth-child(2),tbody tr:nth-last-child(-n+2){break-before:avoid}
p,figcaption{orphans:3;widows:3}footer{break-before:avoid;padding-bottom:0}
main>section:last-child>:last-child,main>section:last-child tr:nth-last-child(-n+5){break-before:avoid}
main>section:last-child>p:last-child{break-inside:avoid}}
"""
)
