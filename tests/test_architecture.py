"""The rules of the design that no type checker knows."""

import ast
import graphlib
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import neurosieve
from neurosieve import Statistic
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


def run_when_imported(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run as a module is imported: none in functions, none for type checkers alone."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from run_when_imported(node.orelse)
            continue
        nested = [part for name in ("body", "orelse", "finalbody") for part in getattr(node, name, [])]
        nested += [part for handler in getattr(node, "handlers", []) for part in handler.body]
        if nested:
            yield from run_when_imported(nested)
        else:
            yield node


def imported_modules(tree: ast.Module, among: dict[str, ast.Module]) -> set[str]:
    """Return which of some modules are imported as a module is."""
    found = set()
    for statement in run_when_imported(tree.body):
        for module, name in imports(statement):
            whole = f"{module}.{name}"
            found.add(whole if whole in among else module)
    return found & among.keys()


@pytest.mark.parametrize("name", CORE_MODULES)
def test_core_never_imports_the_bundled_plugins(name: str) -> None:
    tree = CORE_MODULES[name]
    assert not [module for module, _ in imports(tree) if module.split(".")[0] == "neurosieve_plugins"]
    named = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [value for value in named if value.startswith("neurosieve_plugins")], "neither by name at run time"


@pytest.mark.parametrize(
    ("name", "allowed"), [("neurosieve.data", set()), ("neurosieve.contracts", {"neurosieve.data"})]
)
def test_what_plugins_build_on_imports_nothing_else_of_core(name: str, allowed: set[str]) -> None:
    ours = {module for module, _ in imports(CORE_MODULES[name]) if module.split(".")[0] == "neurosieve"}
    assert ours <= allowed


@pytest.mark.parametrize("package", [CORE_MODULES, PLUGIN_MODULES], ids=["core", "plugins"])
def test_no_module_imports_itself_by_way_of_others(package: dict[str, ast.Module]) -> None:
    graph = {name: imported_modules(tree, package) for name, tree in package.items()}
    assert any(graph.values()), "no import was seen"
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"an import circle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("name", PLUGIN_MODULES)
def test_bundled_plugins_use_public_names_alone(name: str) -> None:
    for module, taken in imports(PLUGIN_MODULES[name]):
        if module.split(".")[0] == "neurosieve":
            assert module == "neurosieve", f"from {module} import {taken}: take it from `neurosieve`"
            assert taken in neurosieve.__all__, f"`{taken}` is not public"


@pytest.mark.parametrize("name", neurosieve.__all__)
def test_every_public_name_is_there(name: str) -> None:
    there = getattr(neurosieve, name)
    # A constant knows no module; where it is from is checked below.
    assert name.isupper() or name == "hookimpl" or there.__module__.startswith("neurosieve.")


def test_public_names_are_the_same_for_people_for_type_checkers_and_at_run_time() -> None:
    [typed] = [node for node in CORE_MODULES["neurosieve"].body if isinstance(node, ast.If)]
    # Constants first, as the linter sorts them.
    assert sorted(neurosieve.__all__, key=lambda name: (not name.isupper(), name)) == neurosieve.__all__
    assert {name for _, name in imports(typed)} == set(neurosieve.__all__) == set(dir(neurosieve))
    for module, name in imports(typed):
        assert getattr(importlib.import_module(module), name or "") is getattr(neurosieve, name or "")
    with pytest.raises(AttributeError, match="has no `nothing`"):
        neurosieve.nothing  # noqa: B018


UNPICKLING = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


@pytest.mark.parametrize("name", ALL_MODULES)
def test_nothing_that_is_read_can_run_code(name: str) -> None:
    tree = ALL_MODULES[name]
    if name != "neurosieve.testing.plugins":  # It pickles the plugin that it is given, and reads nothing.
        assert not {module.split(".")[0] for module, _ in imports(tree)} & UNPICKLING
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("torch.load", "eval", "exec", "yaml.load"), called
            assert "pickle" not in called or name == "neurosieve.testing.plugins", called
        if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "allow_pickle"):
            assert not (isinstance(node.value, ast.Constant) and node.value.value), f"{node.arg}=True"
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "trust_remote_code":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONF)))
def test_no_preset_trusts_the_code_of_a_model(path: Path) -> None:
    assert "trust_remote_code" not in path.read_text(encoding="utf-8")


def plugin_classes(name: str) -> list[type]:
    """Return the classes of a module that keep a contract."""
    module = importlib.import_module(name)
    contracts = (*KINDS.values(), Statistic)
    return [
        cls
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, contracts) and cls.__module__ == name
    ]


@pytest.mark.parametrize("name", PLUGIN_MODULES)
def test_a_plugin_file_holds_one_plugin_of_its_own_name_which_is_registered(name: str) -> None:
    classes = plugin_classes(name)
    if not classes:  # What several plugins share.
        return
    [cls] = classes
    _, group, stem = name.split(".")
    assert cls.__name__.lower() == stem.replace("_", "")
    if not issubclass(cls, Statistic):
        [kind] = [kind for kind in KINDS if group == f"{kind.removesuffix('s')}s"]
        assert installed().get(kind, stem).cls is cls


def test_every_bundled_plugin_has_a_file_of_its_own() -> None:
    for plugin in installed():
        if plugin.origin == "neurosieve":
            assert plugin.cls.__module__ == f"neurosieve_plugins.{plugin.kind.removesuffix('s')}s.{plugin.name}"


def test_the_help_imports_nothing_heavy() -> None:
    code = "import sys; from neurosieve.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "transformer_lens", "datasets", "sklearn", "scipy", "pandas", "numpy", "hydra"}
    assert not heavy & set(done.stderr.split())
