"""What `fastcifar.search` hands out, and what it costs."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import fastcifar.search as front


def test_each_name_is_what_the_type_checker_believes():
    tree = ast.parse(Path(front.__file__).read_text())
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module not in ("typing", "fastcifar.lazy"):
            found |= {alias.name: node.module for alias in node.names}
    assert sorted(found) == sorted(front.__all__) and set(front.__all__) <= set(dir(front))
    for name, module in found.items():
        assert getattr(front, name) is getattr(import_module(module), name)
    with pytest.raises(AttributeError, match=r"'fastcifar\.search' has no attribute 'Serch'"):
        _ = front.Serch


@pytest.mark.parametrize("module", ["fastcifar.experiment.engines.local.worker", "fastcifar.experiment.trial_api"])
def test_workers_and_trials_do_not_wait_for_what_they_do_not_use(module):
    code = f"import sys, {module}; print([name for name in ('scipy', 'torch', 'pandas') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
