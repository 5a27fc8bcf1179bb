import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from torch import nn

from fastcifar.net import Add, Drawing, GraphvizError, Identity, Network, build_graph, draw, resnet9
from fastcifar.net.draw import COLOURS

TINY = {"prep": 4, "layer1": 6, "layer2": 8, "layer3": 10}
SMALL: dict[str, Any] = {
    "input": (None, []),
    "a": {"conv": nn.Conv2d(3, 4, 1), "in": Identity(), "b": {"relu": nn.ReLU()}, "add": (Add(), ["in", "b/relu"])},
}
SMALL_DOT = """\
digraph network {
rankdir=LR;
nodesep=0.15;
ranksep=0.3;
fontname="Helvetica,Arial,sans-serif";
node [shape=box, style="rounded,filled", color="#555555", fontsize=13, fontname="Helvetica,Arial,sans-serif"];
edge [color="#555555", arrowsize=0.7];
"input" [label="input", tooltip="input", fillcolor="#ffffff", shape=ellipse];
subgraph "cluster_a" {
label="a";
tooltip="a";
style="rounded,filled";
fillcolor="#00000010";
color="#bbbbbb";
fontsize=14;
"a/conv" [label="conv", tooltip="Conv2d(3, 4, kernel_size=(1, 1), stride=(1, 1))", fillcolor="#9ecae9"];
subgraph "cluster_a/b" {
label="b";
tooltip="a/b";
style="rounded,filled";
fillcolor="#00000010";
color="#bbbbbb";
fontsize=14;
"a/b/relu" [label="relu", tooltip="ReLU()", fillcolor="#ffcf9f"];
}
"a/add" [label="add", tooltip="Add()", fillcolor="#f7a8a0"];
}
"input" -> "a/conv";
"a/conv" -> "a/b/relu";
"a/conv" -> "a/add";
"a/b/relu" -> "a/add";
}
"""


NAME = r'"((?:[^"\\]|\\.)*)"'


def parsed(drawing: Drawing) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Read DOT text, one statement a line: path -> attributes, and the edges."""
    nodes = re.findall(rf"^{NAME} \[(.*)\];$", drawing.dot, re.MULTILINE)
    edges = re.findall(rf"^{NAME} -> {NAME};$", drawing.dot, re.MULTILINE)
    assert len(dict(nodes)) == len(nodes)
    return dict(nodes), set(edges)


def test_dot_of_a_small_network() -> None:
    # pydot 3 and 4 differ in blank lines.
    assert [line for line in draw(SMALL).dot.splitlines() if line] == SMALL_DOT.splitlines()


def test_default_network_has_the_graph_s_nodes_and_edges_but_identities() -> None:
    nodes, edges = parsed(draw(resnet9()))
    expected = {path: inputs for path, (operation, inputs) in build_graph(resnet9()).items()}
    before_residual = {f"{layer}/residual/in": f"{layer}/pool" for layer in ("layer1", "layer3")}
    for path in before_residual:
        del expected[path]
    assert list(nodes) == list(expected)
    assert edges == {(before_residual.get(s, s), path) for path, inputs in expected.items() for s in inputs}


def test_the_drawing_depends_on_nothing_but_the_network() -> None:
    net = resnet9(TINY)
    assert draw(net) == draw(resnet9(TINY)) == draw(Network(net)) == draw(build_graph(net)) == draw(Network(net).graph)
    assert draw(net) != draw(resnet9())


def test_a_type_has_one_colour_in_every_drawing() -> None:
    def colours(net: dict[str, Any]) -> dict[str, str]:
        nodes, _ = parsed(draw(net))
        return {path: re.findall('fillcolor="(#[0-9a-f]{6})"', attributes)[0] for path, attributes in nodes.items()}

    unknown_last = colours({"input": (None, []), "conv": nn.Conv2d(3, 3, 1), "gelu": nn.GELU()})
    unknown_first = colours({"input": (None, []), "gelu": nn.GELU(), "a": nn.ELU(), "conv": nn.Conv2d(9, 9, 5)})
    assert unknown_last["gelu"] == unknown_first["gelu"] != unknown_first["a"]
    assert unknown_last["conv"] == unknown_first["conv"] == COLOURS["Conv2d"]
    default = colours(resnet9(TINY))
    kinds = ("prep/conv", "prep/bn", "prep/relu", "pool", "layer1/residual/add", "flatten", "linear", "logits")
    assert len({default[path] for path in kinds}) == len(kinds)


def test_sizes_label_each_node() -> None:
    nodes, _ = parsed(draw(resnet9(), sizes=True))
    assert all("parameters" in attributes and "FLOPs" in attributes for attributes in nodes.values())
    assert nodes["layer2/conv"].startswith(
        'label=<<b>conv</b><br/><font point-size="10">256×16×16<br/>294,912 parameters<br/>151 MFLOPs</font>>, tooltip='  # noqa: RUF001
    )
    assert ">10<br/>5,120 parameters<br/>10.2 kFLOPs<" in nodes["linear"]
    small, _ = parsed(draw(SMALL, sizes=True, input_shape=(2, 3, 1000, 1000)))
    assert "4×1000×1000<br/>16 parameters<br/>48 MFLOPs" in small["a/conv"]  # noqa: RUF001


ODD_NAMES = ("node", "a:b", 'a"b', "a<b", "a\\nb", "back\\", "two words", "&amp;")
ODD: dict[str, Any] = {"input": (None, []), "x": {name: nn.ReLU() for name in ODD_NAMES}}


def test_odd_names_are_quoted() -> None:
    nodes, edges = parsed(draw(ODD))
    assert list(nodes) == [
        *("input", "x/node", "x/a:b", r"x/a\"b", "x/a<b", r"x/a\\nb", r"x/back\\", "x/two words", "x/&amp;amp;")
    ]
    assert edges == set(zip(list(nodes)[:-1], list(nodes)[1:], strict=True))
    sized, _ = parsed(draw(ODD, sizes=True))
    assert "<b>a&lt;b</b>" in sized["x/a<b"] and "<b>&amp;amp;</b>" in sized["x/&amp;amp;"]


@pytest.mark.parametrize(("direction", "found"), [("TB", "rankdir=TB"), ("LR", "rankdir=LR")])
def test_direction(direction: str, found: str) -> None:
    assert found in draw(SMALL, direction=direction).dot


def test_unknown_direction() -> None:
    with pytest.raises(ValueError, match="LR, TB, RL, BT are known, not 'left'"):
        draw(SMALL, direction="left")


def test_dot_is_saved_and_other_suffixes_refused(tmp_path: Path) -> None:
    drawing = draw(SMALL)
    drawing.save(tmp_path / "net.DOT")
    assert (tmp_path / "net.DOT").read_text(encoding="utf-8") == drawing.dot == str(drawing)
    for name in ("net.jpg", "net"):
        with pytest.raises(ValueError, match=r"\.dot, \.svg, \.png, \.pdf"):
            drawing.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["net.DOT"]


def test_without_graphviz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    drawing = draw(SMALL)
    for kind in ("svg", "png", "pdf"):
        with pytest.raises(GraphvizError, match=r"apt install graphviz.*brew install graphviz.*graphviz\.org"):
            drawing.save(tmp_path / f"net.{kind}")
    assert not list(tmp_path.iterdir())
    assert drawing._repr_svg_() is None
    assert drawing._repr_mimebundle_(include=None, exclude=None) == {"text/plain": drawing.dot}
    assert issubclass(GraphvizError, ValueError)


@pytest.fixture
def fake_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def install(script: str) -> None:
        program = tmp_path / "bin" / "dot"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    return install


def test_dot_is_called_with_the_kind_and_the_text(tmp_path: Path, fake_dot: Callable[[str], None]) -> None:
    fake_dot('echo "$@"; cat')
    drawing = draw(SMALL, sizes=True)
    drawing.save(tmp_path / "net.pdf")
    assert (tmp_path / "net.pdf").read_bytes() == b"-Tpdf\n" + drawing.dot.encode()


def test_dot_that_fails(tmp_path: Path, fake_dot: Callable[[str], None]) -> None:
    fake_dot("echo no such format >&2; exit 1")
    with pytest.raises(GraphvizError, match="`dot -Tpng` failed: no such format"):
        draw(SMALL).save(tmp_path / "net.png")
    assert not (tmp_path / "net.png").exists()


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_draws_all_kinds(tmp_path: Path) -> None:
    drawing = draw(resnet9(TINY), sizes=True)
    for kind, start in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        drawing.save(tmp_path / f"net.{kind}")
        assert (tmp_path / f"net.{kind}").read_bytes().startswith(start)
    svg = (tmp_path / "net.svg").read_text(encoding="utf-8")
    assert "Conv2d(3, 4, kernel_size=(3, 3)" in svg and svg.count('class="cluster"') == 10
    assert drawing._repr_mimebundle_()["image/svg+xml"] == drawing._repr_svg_() == svg


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("sizes", [False, True])
def test_graphviz_reads_odd_names(sizes: bool) -> None:
    shown = ElementTree.fromstring(draw(ODD, sizes=sizes).render("svg"))
    texts = {text.text for text in shown.iter("{http://www.w3.org/2000/svg}text")}
    assert texts.issuperset(ODD_NAMES)
    assert sum(group.get("class") == "node" for group in shown.iter("{http://www.w3.org/2000/svg}g")) == 9
