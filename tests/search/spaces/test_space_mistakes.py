"""What a space refuses, and with which words."""

import numpy as np
import pytest
from spaces import NESTED, entry

from fastcifar.search import (
    Space,
    SpaceError,
)


def test_a_slash_inside_a_nested_choice_is_refused():
    nested = {"_name": "a", "x/w": entry("choice", 1, 2)}
    with pytest.raises(SpaceError, match="net/a/x/w: inside a nested choice a name has no /"):
        Space.from_dict({"net": entry("choice", nested)})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n"a": {"_type": "uniform", "_value": [0, 1]},\n}', "line 3"),
        ('{"a": {"_type": "choice", "_value": [1]}, "a": {"_type": "choice", "_value": [1]}}', "'a' occurs twice"),
        ('{"a": {"_type": "choice", "_value": [NaN]}}', "NaN"),
        ("[]", "an object with at least one parameter"),
        ("{}", "at least one parameter"),
    ],
)
def test_bad_files(text, words, tmp_path):
    path = tmp_path / "space.json"
    path.write_text(text)
    with pytest.raises(SpaceError, match=words) as caught:
        Space.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (3, "exactly"),
        ({"_type": "uniform"}, "exactly"),
        (entry("unifrom", 0, 1), "did you mean uniform"),
        (entry("uniform", 0), "takes"),
        (entry("quniform", 0, 1), r"takes \[low, high, q\], not 2"),
        (entry("normal", 0, 1, 2), r"takes \[mu, sigma\]"),
        (entry("uniform", 1, 1), "low < high"),
        (entry("randint", 5, 3), "low < high"),
        (entry("randint", 0.5, 3), "whole number"),
        (entry("quniform", 0, 1, 0), "q > 0"),
        (entry("qnormal", 0, 1, -1), "q > 0"),
        (entry("loguniform", 0, 1), "low > 0"),
        (entry("qloguniform", -1, 1, 1), "low > 0"),
        (entry("normal", 0, 0), "sigma > 0"),
        (entry("uniform", "a", 1), "low is a finite number"),
        (entry("uniform", 0, float("inf")), "high is a finite number"),
        (entry("uniform", True, 2), "low is a finite number"),
        (entry("choice"), "at least one option"),
        (entry("choice", {"_name": "a"}, 3), "either all options have a _name"),
        (entry("choice", {"_name": "a"}, {"_name": "a"}), "'a'"),
        (entry("choice", {"_name": 1}), "_name is text"),
        (entry("choice", {1, 2}), "no JSON value"),
        ({"_type": "choice", "_value": "abc"}, "_value is a list"),
        (entry("choice", [1, float("nan")]), "not finite"),
        (entry("choice", 10**400), "not finite"),
        (entry("choice", "\ud800"), "no JSON value"),
        (entry("choice", {1: 2}), "a name is text, not 1"),
        (entry("uniform", -(10**400), 1), r"low is a finite number, not -2\^1328"),
        (entry("lognormal", 0, 1000), r"10 sigma from mu are beyond 1e\+300"),
        (entry("lognormal", -600, 20), "10 sigma from mu are less than 1e-300"),
        (entry("normal", 0, 1e308), r"10 sigma from mu are beyond 1e\+300"),
        (entry("normal", 1e20, 1), "no numbers between its ends"),
        (entry("uniform", -1.7e308, 1.7e308), r"its values are beyond 1e\+300"),
        (entry("uniform", 0, 1e-310), "no numbers between its ends"),
        (entry("uniform", 2**53, 2**53 + 1), "no numbers between its ends"),
        (entry("quniform", 0, 1e308, 1e-10), r"its values are beyond 1e\+300"),
        (entry("quniform", 0, 1e30, 1e-10), r"q is too small, 1e-10: its values are 1e\+30"),
        (entry("loguniform", 1e-310, 1), "its values are less than 1e-300"),
        (entry("qloguniform", 1, 1e30, 1), r"q is too small, 1: its values are 1e\+30"),
        (entry("qnormal", 0, 1, 1e-300), "q is too small, 1e-300: its values 10 sigma from mu are 10"),
        (entry("randint", 0, 2**60), r"between -2\^53 and 2\^53"),
        (entry("choice", {"_name": "a", "z": entry("lognormal", 0, 1000)}), "x/a/z: its values 10 sigma"),
        (entry("choice", {"_name": "a", "z": entry("uniform", 2, 1)}), "x/a/z: low < high"),
    ],
)
def test_bad_entries_name_the_key_and_the_rule(spec, words):
    with pytest.raises(SpaceError, match=words) as caught:
        Space.from_dict({"x": spec})
    assert "search space: x" in str(caught.value)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"lr": 0.1}, "net: it is missing"),
        ({"lr": 0.1, "net": {"_name": "huge"}}, "none of its options: small, big"),
        ({"lr": 0.1, "net": {"_name": "big", "width": 65, "wd": 0.5}}, "net/big/width: 65 is none of its values: "),
        ({"lr": "a", "net": {"_name": "small"}}, "lr: a number"),
        ({"lr": 0.1, "net": {"_name": "small"}, "extra": 1}, "extra: the space has no such parameter"),
    ],
)
def test_parameters_that_are_not_of_the_space(params, words):
    with pytest.raises(ValueError, match=words):
        Space.from_dict(NESTED).encode(params)


def test_nesting_has_a_limit_that_is_named():
    def nested(depth):
        inner = entry("uniform", 0, 1)
        for _ in range(depth):
            inner = entry("choice", {"_name": "a", "x": inner})
        return {"deep": inner}

    space = Space.from_dict(nested(30))
    row = space.sample(np.random.default_rng(0))[0]
    np.testing.assert_array_equal(space.encode(space.decode(row)), row)
    option = 0
    for _ in range(5000):
        option = [option]
    for entries in (nested(40), nested(400), nested(5000), {"deep": entry("choice", option)}):
        with pytest.raises(SpaceError, match="deep: lists and objects are nested more than 100 deep"):
            Space.from_dict(entries)


def test_a_file_that_is_nested_too_deeply_or_is_no_text(tmp_path):
    file = tmp_path / "space.json"
    for content, why in [
        (b"[" * 100_000, "lists and objects are nested too deeply"),
        (b'{"x": ' + b"9" * 5000 + b"}", "a number has thousands of digits"),
        (b"\xff", "not UTF-8 text"),
    ]:
        file.write_bytes(content)
        with pytest.raises(SpaceError, match=f"space.json: {why}"):
            Space.load(file)
    with pytest.raises(SpaceError, match="more than 67,108,864 bytes"):
        Space.load("/dev/zero")
