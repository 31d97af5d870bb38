"""A plugin in a plugin may be a preset's name, a preset's or plugin's fields, or a reference to another key."""

from pathlib import Path

import pytest
from messages import message_of

from neurosieve import ConfigError, Detector
from neurosieve.cli import main
from neurosieve.commands.detect import COMMAND
from neurosieve.config.configuration import as_object, publish
from neurosieve.runs.results import load
from neurosieve_plugins.detectors.combined.any_of import AnyOf
from neurosieve_plugins.detectors.combined.first import First
from neurosieve_plugins.detectors.combined.without import Without
from neurosieve_plugins.detectors.phrases import Phrases


def detectors(*arguments: str) -> dict[str, Detector]:
    publish(COMMAND.schemas)
    return COMMAND.build(COMMAND.compose(arguments))["detectors"]


def preset(name: str) -> Detector:
    return detectors(f"detectors=[{name}]")[name]


def test_a_part_is_named_by_a_preset():
    built = detectors(
        "detectors=[without]", "detectors.without.of=backtracking", "detectors.without.excluded=quotation"
    )
    assert built == {"without": Without(preset("backtracking"), preset("quotation"))}


@pytest.mark.parametrize(
    "arguments",
    [
        ["detectors.any_of.detectors=[hedging,hesitation]"],
        ["detectors.any_of.detectors={doubt:hedging,pause:hesitation}"],
        ["+detectors@detectors.any_of.detectors.a=hedging", "+detectors@detectors.any_of.detectors.b=hesitation"],
    ],
)
def test_several_parts_are_a_list_or_have_names(arguments: list[str]):
    assert detectors("detectors=[any_of]", *arguments) == {"any_of": AnyOf((preset("hedging"), preset("hesitation")))}


def test_the_fields_of_a_part_are_set_where_it_is_chosen_with_a_plus():
    built = detectors("detectors=[first]", "+detectors@detectors.first.of=hedging", "detectors.first.of.scope=thought")
    assert built == {"first": First(Phrases(("perhaps", "maybe", "it may be"), scope="thought"))}


def test_the_behaviour_has_the_name_that_it_is_given():
    built = detectors("detectors=[]", "+detector@detectors.first_doubt=first", "detectors.first_doubt.of=hedging")
    assert built == {"first_doubt": First(preset("hedging"))}


def test_a_part_refers_to_a_behaviour_of_the_run():
    built = detectors(
        "detectors=[hedging,first]", "detectors.hedging.words=true", "detectors.first.of=${detectors.hedging}"
    )
    assert built["first"] == First(built["hedging"])


def test_presets_of_the_users_own_folder_name_presets_too(tmp_path: Path):
    folder = tmp_path / "conf" / "detectors"
    folder.mkdir(parents=True)
    (folder / "doubt.yaml").write_text(
        "# @package detectors.doubt\ndefaults:\n  - /detector@_here_: without\n  - /detectors@of: hedging\n  - _self_\n"
        "excluded: quotation\n"
    )
    chosen = ["detectors=[first]", "detectors.first.of=doubt", "reports=[]", "source.documents=5"]
    main(["detect", "--config-dir", str(tmp_path / "conf"), *chosen, f"hydra.run.dir={tmp_path / 'run'}"])
    inner = load(tmp_path / "run").run["config"]["detectors"]["first"]["of"]
    assert inner["_target_"] == "detector/without"
    assert inner["of"]["phrases"] == ["perhaps", "maybe", "it may be"]


def test_a_preset_that_holds_itself_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "detectors"
    folder.mkdir()
    for name, other in (("chicken", "egg"), ("egg", "chicken")):
        (folder / f"{name}.yaml").write_text(
            f"# @package detectors.{name}\ndefaults:\n  - /detector@_here_: first\n  - _self_\nof: {other}\n"
        )
    message = message_of(capsys, "detect", "--config-dir", str(tmp_path), "detectors=[chicken]")
    assert "`detectors.chicken.of.of.of` is `egg`, a preset that holds itself, `egg` in `chicken` in `egg`" in message


CHOSEN = "detectors=[without]"
OF, EXCLUDED = "detectors.without.of", "detectors.without.excluded"
QUOTED = f"{EXCLUDED}=quotation"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([f"{OF}=hedging"], f"`{EXCLUDED}` has no value: give one with `{EXCLUDED}=...`"),
        ([f"{OF}=hedgin", QUOTED], f"`{OF}` is `hedgin`: there is no detector `hedgin`: did you mean `hedging`"),
        ([f"{OF}=3", QUOTED], f"`{OF}` is `3`, which builds no detector: choose one by name, as in `{OF}=...`"),
        ([f"{OF}=null", QUOTED], f"`{OF}` is `null`, which builds no detector"),
        ([f"{OF}={{scope:thought}}", QUOTED], f"`{OF}` builds no detector: choose one by name"),
        ([f"+grader@{OF}=boxed", QUOTED], f"`{OF}` is a grader, where a detector is wanted"),
        (
            [f"{OF}=phrases", QUOTED],
            f"`{OF}` is `phrases`, and `phrases` of it has no value: choose it with `+detectors@{OF}=",
        ),
        ([f"{OF}=${{source}}", QUOTED], f"`{OF}` is a source, where a detector is wanted"),
        (
            [f"{OF}=${{detectors.hedging}}"],
            f"`{OF}` is `${{detectors.hedging}}`, and the config has no `detectors.hedging`: choose it too, as in "
            "`detectors=[hedging,...]`",
        ),
        (
            ["detectors=[hedging,without]", f"{OF}=${{detectors.hedgin}}"],
            "the config has no `detectors.hedgin`: did you mean `hedging`?",
        ),
        (["source.seed=${source.sed}"], "`source.seed` is `${source.sed}`, and the config has no `source.sed`: did"),
        ([f"{OF}=${{detectors.without}}"], f"`{OF}` is `${{detectors.without}}`, which leads back to itself"),
        ([f"{OF}=${{{OF}}}"], f"`{OF}` is `${{{OF}}}`, which leads back to itself"),
        ([f"{OF}=${{{EXCLUDED}}}", f"{EXCLUDED}=${{{OF}}}"], "which leads back to itself"),
        ([f"{OF}=${{{EXCLUDED}}}"], f"`{OF}` is `${{{EXCLUDED}}}`, and `{EXCLUDED}` has no value: give one"),
        (["+detectors.x=${detectors.y}"], "`detectors.x` is `${detectors.y}`, and the config has no `detectors.y`"),
        ([f"{OF}=${{nothing:3}}"], f"`{OF}` is `${{nothing:3}}`, which cannot be resolved"),
        (
            ["detectors=[surprising]"],
            "this command reads no model of its own; name one, and take `surprise` in place of `surprising`: "
            "`detectors=[surprise] detectors.surprise.model=<name>`",
        ),
        (
            ["detectors=[any_of]", "detectors.any_of.detectors=[hedging,3]"],
            "`detectors.any_of.detectors[1]` is `3`, which builds no detector",
        ),
    ],
)
def test_a_part_that_is_none_is_one_message_that_names_its_key(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    run = f"hydra.run.dir={tmp_path / 'run'}"
    assert message in message_of(capsys, "detect", CHOSEN, *arguments, run)
    assert not (tmp_path / "run").exists()


def test_a_broken_reference_is_a_config_error_in_python_too():
    with pytest.raises(ConfigError, match=r"has no `detectors\.hedging`"):
        detectors(CHOSEN, f"{OF}=${{detectors.hedging}}", f"{EXCLUDED}=quotation")


def test_a_preset_is_found_where_nothing_was_composed_before():
    assert as_object(First, {"of": "hedging"}, "first") == First(preset("hedging"))
