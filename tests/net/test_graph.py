from typing import Any

import pytest
from torch import nn

from fastcifar.net import Add, Identity, build_graph, path_iter, pipeline, remove_by_type

NET: dict[str, Any] = {
    "input": (None, []),
    "a": {
        "in": "a-in",
        "b": {"x": "x", "y": ("y", ["../in"])},
        "sum": ("sum", ["in", "b/y", -2]),
    },
    "c": ("c", ["a/b/x", "/input"]),
}


def test_path_iter_is_depth_first_in_the_order_of_the_dicts() -> None:
    assert [path for path, _ in path_iter(NET)] == ["input", "a/in", "a/b/x", "a/b/y", "a/sum", "c"]


def test_pipeline_keeps_inputs_relative_and_fills_in_the_one_before() -> None:
    assert dict(pipeline(NET)) == {
        "input": (None, []),
        "a/in": ("a-in", [-1]),
        "a/b/x": ("x", [-1]),
        "a/b/y": ("y", ["../in"]),
        "a/sum": ("sum", ["in", "b/y", -2]),
        "c": ("c", ["a/b/x", "/input"]),
    }


def test_build_graph_resolves_inputs() -> None:
    graph = build_graph(NET)
    assert {path: inputs for path, (_, inputs) in graph.items()} == {
        "input": [],
        "a/in": ["input"],
        "a/b/x": ["a/in"],
        "a/b/y": ["a/in"],
        "a/sum": ["a/in", "a/b/y", "a/b/x"],
        "c": ["a/b/x", "input"],
    }
    operations: list[Any] = [operation for operation, _ in graph.values()]
    assert operations == [None, "a-in", "x", "y", "sum", "c"]


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ({"a": "first"}, "node 'a': its input -1 is not an earlier node"),
        ({"a": (None, []), "b": ("b", [-2])}, "node 'b': its input -2"),
        ({"a": (None, []), "b": ("b", [0])}, "node 'b': its input 0"),
        ({"a": (None, []), "b": ("b", [1]), "c": "c"}, "node 'b': its input 1"),
        ({"a": (None, []), "b": ("b", ["c"]), "c": "c"}, "node 'b': its input 'c'"),
        ({"a": (None, []), "b": {"c": ("c", ["a"])}}, "node 'b/c': its input 'a'"),
        ({"a": (None, []), "b": {"c": ("c", ["../../a"])}}, "'../../a' leads out of the network"),
        ({"a": (None, []), "b/c": "one", "b": {"c": "two"}}, "node 'b/c': two nodes have this path"),
    ],
)
def test_build_graph_names_the_node_that_is_wrong(net: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        build_graph(net)


def test_remove_by_type_rewires_through_chains() -> None:
    add, relu = Add(), nn.ReLU()
    graph = build_graph(
        {"input": (None, []), "i": Identity(), "j": Identity(), "relu": relu, "k": Identity(), "add": (add, ["k", "j"])}
    )
    assert remove_by_type(graph, Identity) == {
        "input": (None, []),
        "relu": (relu, ["input"]),
        "add": (add, ["relu", "input"]),
    }
    assert "i" in graph, "the graph that is given stays whole"
