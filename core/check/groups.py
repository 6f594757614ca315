"""Groups that one split should hold together: pictures taken one after the other, or numbered under one name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.check.findings import Finding, FindingKind, Remedy
from core.dataset.records import Picture
from core.dataset.together import numbered, shots
from core.progress import CancelToken
from core.translation import tr


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that belong together: a burst of one camera, or the frames that are numbered under one name."""

    camera: str
    name: str
    rows: list[int]

    def sentence(self, torn: bool) -> str:
        """Return why they belong together; `torn`: they are in two splits."""
        if self.camera:
            said = (
                tr("{count} pictures are taken by {camera} within a minute of each other, but are in two splits.")
                if torn
                else tr("{count} pictures are taken by {camera} within a minute of each other.")
            )
        else:
            said = (
                tr("{count} pictures are numbered as parts of {name}, and alike, but are in two splits.")
                if torn
                else tr("{count} pictures are numbered as parts of {name}, and alike.")
            )
        return said.format(count=len(self.rows), camera=self.camera, name=self.name)


def groups_of(
    pictures: Sequence[Picture], root: Path, cosines: dict[tuple[int, int], float], cancel: CancelToken | None = None
) -> list[Group]:
    """Return the groups. `cosines` are of the pairs of nearest pictures.

    Raises:
        Cancelled: through `cancel`.
    """
    bursts = [Group(camera, "", rows) for camera, rows in shots(pictures, root, cancel=cancel)]
    return bursts + [Group("", name, rows) for name, rows in numbered(pictures) if _are_alike(rows, cosines)]


def group_findings(pictures: Sequence[Picture], groups: Sequence[Group], splits: Sequence[str | None]) -> list[Finding]:
    """Return the groups; those that two splits share are grave, and are moved to the split that has most of them."""
    found = []
    for group in groups:
        paths = tuple(pictures[row].path for row in group.rows)
        of_split = [splits[row] for row in group.rows if splits[row]]
        kinds = set(of_split)
        remedy = None
        if len(kinds) > 1:
            home = max(sorted(kinds, key=str), key=of_split.count)
            remedy = Remedy("split", paths, str(home))
        torn = remedy is not None
        found.append(
            Finding(FindingKind.GROUP, paths, 0.9 if torn else 0.6, group.sentence(torn), remedy=remedy, grave=torn)
        )
    return found


def _are_alike(rows: Sequence[int], cosines: dict[tuple[int, int], float]) -> bool:
    """Whether most of the rows are among each other's nearest pictures."""
    inside = set(rows)
    near = {row for pair in cosines if inside.issuperset(pair) for row in pair}
    return 2 * len(near) > len(rows)
