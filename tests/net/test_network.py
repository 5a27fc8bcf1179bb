from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fastcifar.net import Add, BatchNorm, Flatten, Identity, Mul, Network, convert, resnet9

TINY = {"prep": 4, "layer1": 6, "layer2": 8, "layer3": 10}


def times(factor: int, calls: Counter[int]) -> Any:
    def operation(x: Tensor) -> Tensor:
        calls[factor] += 1
        return x * factor

    return operation


def test_every_node_is_computed_once_and_returned() -> None:
    calls: Counter[int] = Counter()
    network = Network({"input": (None, []), "a": times(2, calls), "b": times(3, calls), "c": (Add(), ["a", "b"])})
    outputs = network({"input": torch.tensor([1.0])})
    assert {path: value.item() for path, value in outputs.items()} == {"input": 1, "a": 2, "b": 6, "c": 8}
    assert calls == {2: 1, 3: 1}


def test_a_supplied_node_is_not_computed() -> None:
    calls: Counter[int] = Counter()
    network = Network({"input": (None, []), "a": times(2, calls), "b": times(3, calls)})
    given = {"input": torch.tensor([1.0]), "a": torch.tensor([5.0])}
    assert network(given)["b"].item() == 15
    assert calls == {3: 1}
    assert list(given) == ["input", "a"], "the mapping that is given stays as it is"


def test_a_supplied_intermediate_output_gives_the_same_logits() -> None:
    torch.manual_seed(0)
    network = Network(resnet9(TINY)).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        whole = network({"input": images})
        # The pool is the last node before the ReLUs of the residual pair, which work in place.
        part = network({"input": torch.zeros(2, 3, 32, 32), "layer3/pool": whole["layer3/pool"]})
    assert whole["logits"].shape == (2, 10)
    assert torch.equal(part["logits"], whole["logits"])
    assert not torch.equal(part["layer2/pool"], whole["layer2/pool"])


def test_a_missing_input_is_named() -> None:
    with pytest.raises(ValueError, match="needs a value for 'target'"):
        Network({"input": (None, []), "target": (None, [])})({"input": torch.zeros(1)})


@pytest.mark.parametrize(
    ("net", "name"),
    [
        ({"a": {"b": Identity()}, "a_b": Identity()}, "'a_b'"),
        ({"forward": Identity()}, "'forward'"),
    ],
)
def test_a_module_is_never_registered_over_another_name(net: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"its module's name, {name}, is taken"):
        Network({"input": (None, []), **net})


def test_path_parameters_follow_the_graph() -> None:
    network = Network(resnet9(TINY, extra_layers=("layer1",), res_layers=("layer1",)))
    named = list(network.path_parameters())
    blocks = [
        *("prep", "layer1", "layer1/residual/res1", "layer1/residual/res2", "layer1/extra", "layer2", "layer3"),
    ]
    of_blocks = [f"{block}/{name}" for block in blocks for name in ("conv/weight", "bn/weight", "bn/bias")]
    assert [path for path, _ in named] == [*of_blocks, "linear/weight"]
    assert all(a is b for (_, a), b in zip(named, network.parameters(), strict=True))
    assert named[9][1].shape == (6, 6, 3, 3) and named[-1][1].shape == (10, 10)


def test_convert_keeps_batch_norms_apart() -> None:
    network = Network(resnet9(TINY))
    convert(network, torch.bfloat16, torch.float32)
    by_path = dict(network.path_parameters())
    assert {p.dtype for path, p in by_path.items() if "/bn/" in path} == {torch.float32}
    assert {p.dtype for path, p in by_path.items() if "/bn/" not in path} == {torch.bfloat16}
    statistics = {name: b.dtype for name, b in network.named_buffers()}
    assert statistics["prep_bn.running_mean"] == torch.float32
    assert statistics["prep_bn.num_batches_tracked"] == torch.int64, "whole numbers stay whole"


def test_small_operations() -> None:
    x = torch.arange(6.0).reshape(2, 3, 1, 1)
    assert Identity()(x) is x
    assert torch.equal(Add()(x, x), 2 * x)
    assert torch.equal(Mul(0.125)(x), x / 8)
    assert torch.equal(Flatten()(x), torch.arange(6.0).reshape(2, 3))
    assert isinstance(BatchNorm(3), nn.BatchNorm2d)
