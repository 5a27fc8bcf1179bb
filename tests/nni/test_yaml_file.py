"""YAML that is small and means much, or that PyYAML stumbles over."""

import time

import pytest

from fastcifar.nni import yaml_file
from fastcifar.nni.yaml_file import read_yaml
from fastcifar.rules import ConfigError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}], k{i}: 1}}\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "line 6: it has more than 100,000 values, with those of its aliases"),
        (MERGED, "line 6: it has more than 100,000 values, with those of its aliases"),
        ("a: &a [*a]", "line 1: an alias is inside of what it names"),
        ("[" * 5000, "lists and objects are nested too deeply"),
        ("[" * 101 + "]" * 101, "line 1: lists and objects are nested more than 100 deep"),
        (f"a: &a {'[' * 60}1{']' * 60}\nb: {'[' * 60}*a{']' * 60}", "line 1: lists and objects are nested more"),
        ("x: 1" + ":1" * 400_000, "line 1: a value of more than 1,000 characters that is not text"),
        ("x: " + "1" * 5000, "line 1: a value of more than 1,000 characters that is not text"),
        ("x" * 2_000_000, "more than 1,048,576 bytes"),
        ('x: "\\uD800"', "line 1: half of a character"),
        ('x: !!float ""', "not YAML: a value does not fit its tag"),
        ("x: !!bool y", "not YAML: a value does not fit its tag"),
        ("x: 2024-13-01", "not YAML: month must be in 1..12"),
        ("!!python/object:os.system x", "line 1: not YAML: could not determine a constructor"),
    ],
    ids=range(14),
)
def test_what_is_refused(text, why, tmp_path):
    file = tmp_path / "config.yml"
    file.write_text(text)
    start = time.process_time()
    with pytest.raises(ConfigError) as caught:
        read_yaml(file)
    message = str(caught.value)
    assert message.startswith(f"{file}") and why in message and "\n" not in message
    assert time.process_time() - start < 5


def test_values_that_are_written_out_are_counted_too(tmp_path, monkeypatch):
    monkeypatch.setattr(yaml_file, "MAX_VALUES", 50)
    file = tmp_path / "config.yml"
    file.write_text("- 1\n" * 49)
    assert read_yaml(file) == [1] * 49
    file.write_text("- 1\n" * 50)
    with pytest.raises(ConfigError, match="line 50: it has more than 50 values"):
        read_yaml(file)


def test_what_is_taken(tmp_path):
    file = tmp_path / "config.yml"
    file.write_text("\ufeffa: &a [1, 2]\nb: [*a, *a]\nc: {<<: &d {x: 1}, y: 2}\nd: *d\n")
    assert read_yaml(file) == {"a": [1, 2], "b": [[1, 2], [1, 2]], "c": {"x": 1, "y": 2}, "d": {"x": 1}}
    file.write_text("[" * 100 + "]" * 100)
    assert str(read_yaml(file)) == "[" * 100 + "]" * 100
    with pytest.raises(ConfigError, match="more than 1,048,576 bytes"):
        read_yaml("/dev/zero")
