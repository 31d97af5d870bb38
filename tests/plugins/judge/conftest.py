from pathlib import Path

import pytest

from neurosieve_plugins.judge.account import account_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the answers of each test apart, and what is known of its server: the next one may have the same port."""
    account_of.cache_clear()
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
