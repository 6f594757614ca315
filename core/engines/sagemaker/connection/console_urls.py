"""Addresses of pages in the AWS console."""

from __future__ import annotations

from urllib.parse import quote

_DOMAINS = (("cn-", "console.amazonaws.cn"), ("us-gov-", "console.amazonaws-us-gov.com"))


def log_url(region: str, group: str, stream: str = "", prefix: str = "") -> str:
    """Return CloudWatch's page of a log stream, or of the streams of a group that begin with `prefix`."""
    domain = next((name for start, name in _DOMAINS if region.startswith(start)), f"{region}.console.aws.amazon.com")
    page = f"log-group/{_encode(group)}"
    if stream:
        page += f"/log-events/{_encode(stream)}"
    elif prefix:
        page += f"$3FlogStreamNameFilter$3D{_encode(prefix)}"
    return f"https://{domain}/cloudwatch/home?region={region}#logsV2:log-groups/{page}"


def _encode(text: str) -> str:
    """Return the console takes names apart twice, and writes the second escape with $ for %."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")
