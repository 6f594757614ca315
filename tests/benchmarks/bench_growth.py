"""How time and memory grow with the work: search, scan, store and board at 1, 10 and 100 times the work.

Each measurement is a process of its own. The figure is docs/growth.svg.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys

from core.paths import ROOT
from tests.benchmarks.harness import print_table

FIGURE = ROOT / "docs" / "growth.svg"
PIECES = {
    "search": ("tests.benchmarks.growth_search", "pictures, 6 trials", (40, 400, 4000)),
    "scan": ("tests.benchmarks.growth", "pictures", (200, 2000, 20_000)),
    "store": ("tests.benchmarks.growth", "trials", (20, 200, 2000)),
    "board": ("tests.benchmarks.growth", "trials", (20, 200, 2000)),
}
_Measured = dict[str, list[tuple[float, float]]]


def main() -> None:
    """Print the table and draw the figure."""
    measured: _Measured = {}
    for piece, (module, _, sizes) in PIECES.items():
        measured[piece] = [_measure(module, piece, size) for size in sizes]
        print(piece, measured[piece], file=sys.stderr, flush=True)
    _draw(measured)
    rows = [
        (piece, f"{sizes[0]:,} {unit}", *(f"{seconds:.3g} s, {mb:.0f} MB" for seconds, mb in measured[piece]))
        for piece, (_, unit, sizes) in PIECES.items()
    ]
    print("![Time and memory at 1, 10 and 100 times the work](growth.svg)\n")
    print_table(("piece", "1x is", "1x", "10x", "100x"), rows)
    print(_sentence(measured))


def _measure(module: str, piece: str, size: int) -> tuple[float, float]:
    """Seconds and peak megabytes, of one run in a process of its own."""
    script = f"from {module} import measure_{piece} as m; print('MEASURED', *m({size}))"
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{piece} with {size} failed:\n{done.stdout[-500:]}{done.stderr[-2000:]}")
    seconds, peak = done.stdout.rpartition("MEASURED ")[2].split()
    return float(seconds), float(peak) / 1e6


def _sentence(measured: _Measured) -> str:
    """What bends first, from the last tenfold step: the growth of time and of memory, by piece."""
    grown = {
        kind: {piece: values[2][at] / values[1][at] for piece, values in measured.items()}
        for at, kind in enumerate(("time", "memory"))
    }
    first = max(grown["time"], key=lambda piece: grown["time"][piece])
    heaviest = max(grown["memory"], key=lambda piece: grown["memory"][piece])
    above = [piece for piece, growth in grown["time"].items() if math.log10(growth) > 1.1]
    verdict = f"More than in proportion: {', '.join(above)}." if above else "None grows more than in proportion."
    return (
        f"From 10x to 100x the work, {first} bends first: its time grows {grown['time'][first]:.1f} times ("
        + ", ".join(f"{piece} {growth:.1f}" for piece, growth in grown["time"].items() if piece != first)
        + f"). Memory grows most in {heaviest}: {grown['memory'][heaviest]:.1f} times. {verdict}"
    )


def _draw(measured: _Measured) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "sagehound"  # the same numbers give the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(PIECES), figsize=(11, 5), sharex=True, layout="constrained")
    for column, (piece, (_, unit, sizes)) in enumerate(PIECES.items()):
        for row, label in enumerate(("seconds", "MB at the peak")):
            axis, values = axes[row][column], [value[row] for value in measured[piece]]
            axis.plot((1, 10, 100), values, "o-", color="#0b6e99")
            axis.plot(
                (1, 10, 100), [values[0] * by for by in (1, 10, 100)], ":", color="#999999", label="in proportion"
            )
            axis.set(xscale="log", yscale="log", xticks=(1, 10, 100), xticklabels=("1x", "10x", "100x"))
            axis.grid(alpha=0.3)
            if not column:
                axis.set_ylabel(label)
            if not row:
                axis.set_title(f"{piece}\n1x = {sizes[0]:,} {unit}", fontsize=10)
    axes[0][0].legend(fontsize=8)
    figure.savefig(FIGURE, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    main()
