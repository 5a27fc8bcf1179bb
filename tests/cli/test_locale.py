"""A terminal and a locale that know nothing but ASCII."""

import os
import subprocess
import sys

import pytest

from fastcifar.train import RecipeError, find_recipe

CODE = """
import locale, sys
from fastcifar.cli import main
from fastcifar.search.spaces.named import find_space
assert locale.getpreferredencoding(False).upper() in ("ANSI_X3.4-1968", "US-ASCII", "ASCII"), "not what is tested"
assert list(find_space("own.json")[1]) == ["gr\\u00f6\\u00dfe"]
sys.argv = ["fastcifar", "data", "--dataset", "cifar10", "--data-dir", "f\\u00fcnf"]
main()
"""


def test_files_are_utf8_and_what_cannot_be_printed_is_replaced(tmp_path):
    (tmp_path / "own.json").write_text('{"größe": {"_type": "choice", "_value": [1]}}', encoding="utf-8")
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=tmp_path, env={**os.environ, **settings}, capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr and done.returncode == 0, done.stderr
    assert b"f?nf" in done.stdout


def test_a_recipe_that_is_no_utf8(tmp_path):
    (tmp_path / "own.json").write_bytes('{"dataset": "größe"}'.encode("latin-1"))
    with pytest.raises(RecipeError, match=r"own\.json: not UTF-8 text"):
        find_recipe(str(tmp_path / "own.json"))
