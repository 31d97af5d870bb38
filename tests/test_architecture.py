"""The rules of the design that no type checker knows."""

import ast
import graphlib
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import neurosieve
from neurosieve.registry import KINDS, installed

ROOT = Path(__file__).parents[1]
CORE, PLUGINS, CONF = ROOT / "core", ROOT / "plugins", ROOT / "conf"


def modules(folder: Path) -> dict[str, ast.Module]:
    """Return every module below a folder, parsed, by its dotted name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return found


CORE_MODULES, PLUGIN_MODULES = modules(CORE), modules(PLUGINS)
ALL_MODULES = {**CORE_MODULES, **PLUGIN_MODULES, **modules(CONF)}


def imports(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Yield every module that is imported, with the name that is taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            yield from ((node.module or "", alias.name) for alias in node.names)


ROOMS = (
    "texts",
    "models",
    "runs",
    "scoring",
    "activations",
    "evidence",
    "config",
    "generation",
    "pipeline",
    "detection",
    "analysis",
    "inspection",
    "ablation",
    "terminal",
    "commands",
)
"""The folders of core, in the order in which they may import: each from those before it."""
FOUNDATION = (
    ("data", "errors", "wording", "gc_pause"),
    ("contracts", "disk", "fields"),
    ("hookspecs",),
    ("registry",),
)
"""The files beside them, and the folder of contracts, which every folder may import, in the order in which they may
import each other."""
DOOR = ("", "cli", "__main__")
"""What leads in: it may import anything, and nothing imports it."""


def room(module: str) -> str:
    """Return the folder or file of core that a module is in: `texts` of `neurosieve.texts.spans`."""
    return module.removeprefix("neurosieve").removeprefix(".").partition(".")[0]


def imported_modules(tree: ast.AST, among: dict[str, ast.Module]) -> Iterator[str]:
    """Yield which of some modules are imported, at the top of a file or inside a function, or by `import_module`."""
    for module, name in imports(tree):
        whole = f"{module}.{name}"
        if whole in among or module in among:
            yield whole if whole in among else module
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
            # Of an f-string the part before the first brace: `neurosieve.commands.` of f"neurosieve.commands.{name}".
            named = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            if isinstance(named, ast.Constant) and str(named.value).startswith("neurosieve"):
                yield str(named.value)


def allowed(module: str) -> set[str]:
    """Return the folders and files of core that a module may import, besides those of its own folder."""
    here = room(module)
    if here in DOOR:
        return {*ROOMS, "testing", *(name for level in FOUNDATION for name in level), *DOOR}
    for level, names in enumerate(FOUNDATION):
        if here in names:
            return {name for below in FOUNDATION[:level] for name in below}
    below = {name for level in FOUNDATION for name in level}
    if here == "testing":
        return below | set(ROOMS) - {"terminal", "commands"}
    return below | set(ROOMS[: ROOMS.index(here)]) | ({"testing"} if here == "commands" else set())


def test_every_folder_of_core_has_its_place_in_the_order() -> None:
    rooms = {room(name) for name in CORE_MODULES}
    assert rooms == {*ROOMS, "testing", *(name for level in FOUNDATION for name in level), *DOOR}


def test_a_folder_imports_only_from_folders_before_it() -> None:
    upwards = [
        f"{name} imports {other}"
        for name, tree in CORE_MODULES.items()
        for other in imported_modules(tree, CORE_MODULES)
        if room(other) != room(name) and room(other) not in allowed(name)
    ]
    assert not upwards, "\n".join(upwards)


@pytest.mark.parametrize("package", [CORE_MODULES, PLUGIN_MODULES], ids=["core", "plugins"])
def test_no_module_imports_itself_by_way_of_others(package: dict[str, ast.Module]) -> None:
    graph = {name: set(imported_modules(tree, package)) & package.keys() for name, tree in package.items()}
    assert any(graph.values()), "no import was seen"
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"an import circle: {' <- '.join(error.args[1])}")


def test_core_never_imports_the_bundled_plugins() -> None:
    assert not [
        name
        for name, tree in CORE_MODULES.items()
        if "neurosieve_plugins" in {m.split(".")[0] for m, _ in imports(tree)}
    ]
    named = [(name, text) for name, tree in CORE_MODULES.items() for text in strings(tree)]
    assert not [place for place in named if place[1].startswith("neurosieve_plugins")], "neither by name at run time"


def strings(tree: ast.AST) -> Iterator[str]:
    """Yield every string of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


ALSO_COLUMNS = {"median", "mean", "text", "traces", "phrases", "auc", "learned", "activation", "graded", "words"}
"""Names of plugins that are names of tables, of columns, and of keys of `run.json` too."""
PLAIN_WORDS = {"after", "first", "near", "without"}
"""Names of plugins that are words of their own."""


def test_no_file_of_core_names_a_bundled_plugin() -> None:
    bundled = {plugin.name for plugin in installed() if plugin.origin == "neurosieve"}
    bundled -= ALSO_COLUMNS | PLAIN_WORDS
    named = [
        f"{name} names `{text}`"
        for name, tree in CORE_MODULES.items()
        # The made-up runs of `testing` hold the columns that real scorers would fill.
        if room(name) not in ("registry", "config", "commands", "cli", "testing")
        for text in strings(tree)
        if text in bundled
    ]
    assert not named, "\n".join(named)


def test_bundled_plugins_use_public_names_alone() -> None:
    for name, tree in PLUGIN_MODULES.items():
        for module, taken in imports(tree):
            if module.split(".")[0] == "neurosieve":
                assert module == "neurosieve", f"{name}: from {module} import {taken}: take it from `neurosieve`"
                assert taken in neurosieve.__all__, f"{name}: `{taken}` is not public"


def test_public_names_are_the_same_for_people_for_type_checkers_and_at_run_time() -> None:
    stub = ast.parse((CORE / "neurosieve" / "__init__.pyi").read_text(encoding="utf-8"))
    typed = [
        (node.module or "", alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert {name for _, name in typed} == set(neurosieve.__all__) == set(dir(neurosieve))
    for module, name in typed:
        assert getattr(importlib.import_module(f"neurosieve.{module}"), name) is getattr(neurosieve, name)
    with pytest.raises(AttributeError, match="nothing"):
        neurosieve.nothing  # noqa: B018


UNPICKLING = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def test_nothing_that_is_read_can_run_code() -> None:
    for name, tree in ALL_MODULES.items():
        if name != "neurosieve.testing.plugins":  # It pickles the plugin that it is given, and reads nothing.
            assert not {module.split(".")[0] for module, _ in imports(tree)} & UNPICKLING, name
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "eval", "exec", "yaml.load"), f"{name}: {called}"
                assert "pickle" not in called or name == "neurosieve.testing.plugins", f"{name}: {called}"
            if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "allow_pickle"):
                assert not (isinstance(node.value, ast.Constant) and node.value.value), f"{name}: {node.arg}=True"
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "trust_remote_code":
                assert isinstance(node.value, ast.Constant), name
                assert node.value.value is False, name


def test_no_preset_trusts_the_code_of_a_model() -> None:
    presets = sorted(CONF.rglob("*.yaml"))
    assert presets
    assert not [path for path in presets if "trust_remote_code" in path.read_text(encoding="utf-8")]


def plugin_classes(name: str) -> list[type]:
    """Return the classes of a module that keep a contract; one that lacks methods is what several plugins share."""
    module = importlib.import_module(name)
    return [
        cls
        for cls in vars(module).values()
        if isinstance(cls, type)
        and issubclass(cls, tuple(KINDS.values()))
        and not inspect.isabstract(cls)
        and cls.__module__ == name
    ]


def test_a_plugin_file_holds_one_plugin_of_its_own_name_which_is_registered() -> None:
    for name in PLUGIN_MODULES:
        classes = plugin_classes(name)
        if not classes:  # What several plugins share.
            continue
        assert len(classes) == 1, f"{name} holds {len(classes)} plugins: give each a file of its own"
        [cls] = classes
        _, group, *_, stem = name.split(".")  # Plugins that belong together may have a folder of their own.
        assert cls.__name__.lower() == stem.replace("_", ""), (
            f"{name} holds the class `{cls.__name__}`: name the file as the class, in snake_case"
        )
        [kind] = [kind for kind in KINDS if group == f"{kind.removesuffix('s')}s"]
        assert installed().get(kind, stem).cls is cls, (
            f'add `"{stem}": {cls.__name__}` to `register_{group}` in plugins/neurosieve_plugins/__init__.py'
        )


def test_every_bundled_plugin_has_a_file_of_its_own() -> None:
    for plugin in installed():
        # What every other reading is built on is the engine's own.
        if plugin.origin == "neurosieve" and plugin.cls is not neurosieve.Activation:
            assert plugin.cls.__module__.startswith(f"neurosieve_plugins.{plugin.kind.removesuffix('s')}s.")
            assert plugin.cls.__module__.endswith(f".{plugin.name}")


def test_the_help_imports_nothing_heavy() -> None:
    code = "import sys; from neurosieve.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "transformer_lens", "datasets", "sklearn", "scipy", "pandas", "numpy", "hydra"}
    assert not heavy & set(done.stderr.split())
