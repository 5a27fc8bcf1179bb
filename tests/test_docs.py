"""Python in the documentation names what there is."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = {
    f"{path.name} {number}": block
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.S))
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_imports_what_there_is(name):
    for node in ast.walk(ast.parse(BLOCKS[name])):
        if isinstance(node, ast.ImportFrom):
            module = import_module(node.module)
            missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            assert not missing, f"{node.module} has no {missing}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                import_module(alias.name)


def test_there_are_blocks():
    assert {name.split()[0] for name in BLOCKS} >= {"README.md", "python.md", "nas.md", "supernet.md"}
