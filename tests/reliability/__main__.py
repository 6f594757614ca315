"""Do harm in every way that is known, and count: `python -m tests.reliability [NAME …] [--attempts N] [--seed N]`.

Writes what was tried, survived and lost to docs/RELIABILITY.md. What cannot be had on a machine (mounting needs root)
is left out, and said.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.reliability import clocks, full_disk, fuzz, kills, power, rot
from tests.reliability.lab import Tally

REPORT = Path(__file__).resolve().parents[2] / "docs" / "RELIABILITY.md"
_TABLE = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)


@dataclass(frozen=True)
class Campaign:
    """One kind of harm: how it is done, how often by default, and whether it can be done here."""

    run: Callable[[Path, int, int], Tally]
    attempts: int
    possible: Callable[[Path], bool] = lambda place: True


CAMPAIGNS = {
    "kills": Campaign(kills.run, 40),
    "power": Campaign(power.run, 40, power.possible),
    "full_disk": Campaign(full_disk.run, 30, full_disk.possible),
    "clocks": Campaign(clocks.run, 12),
    "archives": Campaign(fuzz.archives, 3000),
    "pictures": Campaign(fuzz.pictures, 5500),
    "rot": Campaign(rot.run, 32),
}


def main(arguments: list[str]) -> int:
    """Run the campaigns named, or all; returns 1 where something was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *CAMPAIGNS], metavar="NAME", help=", ".join(CAMPAIGNS))
    parser.add_argument("--attempts", type=int, help="of each, in place of the usual number")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args(arguments)
    lost = 0
    for name in options.names or CAMPAIGNS:
        campaign = CAMPAIGNS[name]
        with tempfile.TemporaryDirectory(prefix=f"sagehound-{name}-") as folder:
            place = Path(folder)
            if not campaign.possible(place):
                print(f"{name}: cannot be done on this machine", file=sys.stderr)
                continue
            began = time.monotonic()
            tally = campaign.run(place, options.attempts or campaign.attempts, options.seed)
            seconds = time.monotonic() - began
        print(f"{name}: {tally.tried} tried, {tally.survived} survived, {len(tally.lost)} lost, {seconds:.0f} s")
        lost += len(tally.lost)
        record(tally)
    return int(bool(lost))


def record(tally: Tally, report: Path = REPORT) -> None:
    """Put a row into the report's table, in place of the one of the same name."""
    text = report.read_text(encoding="utf-8")
    found = _TABLE.search(text)
    assert found is not None
    head, line, *known = found[0].strip().splitlines()
    rows = {row.split("|")[1].strip(): row for row in known}
    day, system = time.strftime("%Y-%m-%d"), f"{platform.system()}, Python {platform.python_version()}"
    rows[tally.name] = (
        f"| {tally.name} | {tally.tried} | {tally.survived} | {len(tally.lost)} | {tally.note} | {day}, {system} |"
    )
    table = "\n".join([head, line, *rows.values()])
    report.write_text(_TABLE.sub(lambda _: table + "\n", text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
