"""The rooms of the package: which may import which, no circle between files, no crowd in a folder."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fastcifar"
LEAVES = (  # files that know no room
    *("attributes", "checks", "errors", "lazy", "lock", "machine", "making", "names", "reading", "rules", "stopping"),
    *("tar", "typed"),
)
ROOMS = (  # each may import those before it; this table is the only place that says the order
    "leaves",
    "statistics",
    "data",
    "net",
    "search",
    "train",
    "experiment",
    "nni",
    "supernet",
    "nas",
    "testing",
    "cli",
)
MOST_FILES, MOST_LINES = 15, 400
ENTRIES = ("fastcifar.__main__", "fastcifar.search.__main__")  # what `python -m` runs: the command line
# Names that stood in `fastcifar.search` before their rooms were made; they are imported when they are asked for.
OLD_NAMES = ("fastcifar.search", ("fastcifar.experiment", "fastcifar.nni"))


def module_of(path: Path) -> str:
    parts = ["fastcifar", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


@cache
def home(module: str, name: str) -> str:
    """The file that a name of a package is from: the package hands out what others have."""
    if f"{module}.{name}" in FILES:
        return f"{module}.{name}"
    if FILES[module].name == "__init__.py":
        for node in ast.walk(tree(module)):
            from_other = isinstance(node, ast.ImportFrom) and node.module in FILES and node.module != module
            if from_other and any((alias.asname or alias.name) == name for alias in node.names):
                return home(node.module, name)
    return module


@cache
def imports(module: str) -> frozenset[str]:
    """The files of the package that one imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("fastcifar"):
            assert node.level == 0
            found |= {home(node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in FILES}
    return frozenset(found - {module})


def room(module: str) -> str:
    first = (*module.split("."), "")[1]
    return "leaves" if first in (*LEAVES, "") else first


def all_imports() -> Iterator[tuple[str, str]]:
    for module in FILES:
        for other in imports(module):
            yield module, other


def test_every_file_is_in_a_room():
    assert {room(module) for module in FILES if module not in ENTRIES} == set(ROOMS)


def test_a_room_imports_those_below_it():
    wrong = []
    for module, other in all_imports():
        old = module == OLD_NAMES[0] and other.startswith(OLD_NAMES[1])
        if module not in ENTRIES and not old and ROOMS.index(room(other)) > ROOMS.index(room(module)):
            wrong.append(f"{module} imports {other}")
    assert not wrong, "\n".join(sorted(wrong))


def test_no_circle_between_files():
    """A package's front door is left out: what it hands out counts as imported from where it is."""
    graph = {module: imports(module) for module, path in FILES.items() if path.name != "__init__.py"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize("room", [module for module in FILES if "lazy" in FILES[module].read_text("utf-8")])
def test_no_name_that_is_handed_out_hides_behind_a_module(room):
    """A module that is imported takes the place of a name that has not been asked for yet."""
    names = getattr(import_module(room), "__all__", ())
    assert not [name for name in names if f"{room}.{name}" in FILES]


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES.values()}), ids=lambda path: path.name)
def test_a_folder_can_be_overlooked(folder):
    files = sorted(path.name for path in folder.glob("*.py"))
    assert len(files) <= MOST_FILES
    if "path" not in folder.parts:  # which stands for another package
        doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert doc, "what is it for, and what does it hand out?"


@pytest.mark.parametrize("name", ["fastcifar", "tests", "benchmarks"])
def test_no_file_is_long(name):
    lines = {str(path): len(path.read_text("utf-8").splitlines()) for path in (PACKAGE.parent / name).rglob("*.py")}
    assert not {path: count for path, count in lines.items() if count > MOST_LINES}
