"""Configs that are composed again are as if they were composed anew."""

import pytest
from hydra.core.config_store import ConfigStore

from neurosieve import hookimpl
from neurosieve.commands.find import COMMAND
from neurosieve.config.composition import composed
from neurosieve.config.configuration import publish
from neurosieve.registry import Registry


@pytest.fixture(autouse=True)
def published():
    publish(COMMAND.schemas)


def test_what_is_done_to_a_config_does_not_reach_the_next_one():
    first = composed("find", ["model=tiny"])
    first.selection.seed = 99
    assert composed("find", ["model=tiny"]).selection.seed != 99


def test_other_overrides_give_another_config():
    assert composed("find", ["seed=1"]).seed == 1
    assert composed("find", ["seed=2"]).seed == 2


@pytest.mark.parametrize("scheme", ["file://", ""])
def test_a_config_file_that_was_changed_is_read_again(scheme, tmp_path, monkeypatch):
    class Package:
        @hookimpl
        def config_search_path(self):
            return [f"{scheme}{tmp_path}"]

    monkeypatch.setattr("neurosieve.config.configuration.installed", lambda: Registry({"a-package": Package()}))
    preset = tmp_path / "selection" / "early.yaml"
    preset.parent.mkdir()
    for seed in (3, 14):
        preset.write_text(f"seed: {seed}\n")
        assert composed("find", ["selection=early"]).selection.seed == seed
    preset.unlink()
    with pytest.raises(Exception, match="early"):
        composed("find", ["selection=early"])


def test_a_config_that_is_offered_anew_takes_the_place_of_the_one_before():
    store = ConfigStore.instance()
    try:
        for seed in (5, 6):
            store.store("of_this_test", {"seed": seed}, "selection")
            assert composed("find", ["selection=of_this_test"]).selection.seed == seed
    finally:
        del store.repo["selection"]["of_this_test.yaml"]
