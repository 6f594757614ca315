"""What a save dialog of reports proposes."""

import pytest

from core.report.formats import FORMATS


@pytest.mark.parametrize("form", [form for form in FORMATS if not form.server], ids=lambda form: form.name)
def test_a_format_that_is_chosen_changes_the_name(form, tmp_path):
    for name in ("job-report.html", "v1.2.pdf", "run.trace.json.gz", "plain"):
        named = form.named(tmp_path / name)
        assert form.takes(named.name)
        assert form.named(named) == named
    assert form.named(tmp_path / "v1.2.pdf").name.startswith("v1.2")
