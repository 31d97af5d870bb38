"""With the shortcuts Hydra says what it says without, and they end with the command."""

import pytest
from hydra import initialize_config_module
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.types import RunMode

from neurosieve.commands.find import COMMAND
from neurosieve.config.configuration import CONF, publish
from neurosieve.config.hydra_shortcuts import shortcuts


@pytest.fixture
def loader():
    publish(COMMAND.schemas)
    with initialize_config_module(CONF, version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


@pytest.mark.parametrize("group", ["", "detectors", "selection", "hydra/help", "nothing"])
@pytest.mark.parametrize("kind", [ObjectType.CONFIG, ObjectType.GROUP])
def test_the_options_of_a_group_are_the_same(loader, group, kind):
    expected = loader.get_group_options(group, kind)
    with shortcuts(None):
        assert loader.get_group_options(group, kind) == expected


def test_a_folder_that_an_override_brings_is_looked_in(loader, tmp_path):
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors" / "theirs.yaml").write_text("{}")
    with shortcuts(None):
        options = loader.get_group_options("detectors", overrides=[f"hydra.searchpath=[file://{tmp_path}]"])
    assert "theirs" in options
    assert "theirs" not in loader.get_group_options("detectors")


def test_they_end_with_the_command_also_with_one_that_fails():
    before = Hydra.get_mode, ConfigLoaderImpl.get_group_options

    def fail():
        with shortcuts(RunMode.MULTIRUN):
            assert Hydra.get_mode(None, "find", []) == RunMode.MULTIRUN
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (Hydra.get_mode, ConfigLoaderImpl.get_group_options) == before
