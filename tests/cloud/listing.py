"""How the List calls filter, sort and cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.cloud.faults import AwsError

_PAGE = 100


def page(
    request: Mapping[str, Any], rows: Sequence[dict[str, Any]], member: str, name: str, status: str = ""
) -> dict[str, Any]:
    """A page of `rows` as `member`; `name` and `status` are the members they are filtered and sorted by."""
    if "NameContains" in request:
        rows = [row for row in rows if request["NameContains"].lower() in row[name].lower()]
    if "StatusEquals" in request:
        rows = [row for row in rows if row[status] == request["StatusEquals"]]
    for kind in ("CreationTime", "LastModifiedTime"):
        after, before = request.get(f"{kind}After"), request.get(f"{kind}Before")
        rows = [row for row in rows if after is None or _seconds(row[kind]) > after]
        rows = [row for row in rows if before is None or _seconds(row[kind]) < before]
    key = {"Name": name, "Status": status}.get(request.get("SortBy", ""), "CreationTime")
    rows = sorted(rows, key=lambda row: row[key], reverse=request.get("SortOrder", "Descending") == "Descending")
    return cut(request, rows, member)


def cut(request: Mapping[str, Any], rows: Sequence[dict[str, Any]], member: str) -> dict[str, Any]:
    """MaxResults rows from NextToken on."""
    token = str(request.get("NextToken", "0"))
    if not token.isdecimal():
        raise AwsError("ValidationException", "Invalid pagination token.")
    start = int(token)
    stop = start + min(_PAGE, request.get("MaxResults", 10))
    answer: dict[str, Any] = {member: list(rows[start:stop])}
    if stop < len(rows):
        answer["NextToken"] = str(stop)
    return answer


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
