"""A lock that another holds is waited for, but not for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from core.errors import EngineError
from core.locks import lock_of


def test_a_lock_that_is_never_free_is_a_sentence(tmp_path: Path) -> None:
    target = tmp_path / "artifact"
    with (
        FileLock(f"{target}.lock"),
        pytest.raises(EngineError, match="The model cannot be unpacked") as caught,
        lock_of(target, 0.1, "The model cannot be unpacked"),
    ):
        pytest.fail("two held it")
    assert "Another process of Sagehound" in caught.value.why
    with lock_of(target, 0.1, "The model cannot be unpacked"):
        assert Path(f"{target}.lock").exists()
    with lock_of(target, 0.1, "The model cannot be unpacked"):  # free again
        pass
