"""The page on a searcher of one's own: its example runs."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "own_searcher.md"


def test_the_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    scope = {}
    exec(compile(block, str(PAGE), "exec"), scope)
    assert scope["found"]["trials"]["finished"] == 20 and scope["found"]["best_value"] < 0.02
