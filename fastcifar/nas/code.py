"""A network as a Python file that needs torch alone."""

from typing import Any

import torch
from torch import fx, nn

HEADER = '''"""{title}, as fastcifar has found it. Weights: Model().load_state_dict(...)."""

import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
'''


def to_code(network: nn.Module, title: str) -> str:
    """The source of a class `Model` that computes what `network` does, with parameters of the same names.

    The forward pass is traced (torch.fx), modules of torch.nn are written as their constructors. Raises ValueError
    where that cannot be: for a forward pass that depends on values, or a module whose print is not its constructor.
    """
    try:
        graph = fx.Tracer().trace(network)
        forward = graph.python_code("self").src
    except Exception as error:
        raise ValueError(f"{title}: its forward pass cannot be written as code: {error}") from error
    lines: list[str] = []
    made: set[str] = set()
    for node in graph.nodes:
        name = str(node.target)
        if node.op not in ("call_module", "get_attr") or name in made:
            continue
        made.add(name)
        lines += _containers(name, made)
        lines.append(_module(network, name) if node.op == "call_module" else _tensor(network, name))
    body = "".join(f"        {line}\n" for line in lines)
    method = "".join(f"    {line}".rstrip() + "\n" for line in forward.strip("\n").splitlines())
    source = f"{HEADER.format(title=title)}{body}\n{method}"
    _check(source, network, title)
    return source


def _containers(name: str, made: set[str]) -> list[str]:
    """What holds a module that lies deeper."""
    pieces = name.split(".")[:-1]
    paths = [".".join(pieces[: i + 1]) for i in range(len(pieces))]
    new = [path for path in paths if path not in made]
    made.update(new)
    return [_put(path, "nn.Module()") for path in new]


def _module(network: nn.Module, name: str) -> str:
    module = network.get_submodule(name)
    if not hasattr(nn, type(module).__name__) or list(module.children()):
        raise ValueError(f"{name}: a {type(module).__name__} cannot be written as code")
    return _put(name, f"nn.{module!r}")


def _tensor(network: nn.Module, name: str) -> str:
    owner, _, last = name.rpartition(".")
    tensor: torch.Tensor = getattr(network.get_submodule(owner), last)
    zeros = f"torch.zeros({tuple(tensor.shape)}, dtype={tensor.dtype})"
    if isinstance(tensor, nn.Parameter):
        return f"{_owner(owner)}.register_parameter({last!r}, nn.Parameter({zeros}))"
    return f"{_owner(owner)}.register_buffer({last!r}, {zeros})"


def _put(name: str, value: str) -> str:
    owner, _, last = name.rpartition(".")
    return f"{_owner(owner)}.add_module({last!r}, {value})" if last.isdigit() else f"{_owner(owner)}.{last} = {value}"


def _owner(name: str) -> str:
    if all(piece.isidentifier() for piece in name.split(".")):
        return f"self.{name}"
    return f"self.get_submodule({name!r})" if name else "self"


def _check(source: str, network: nn.Module, title: str) -> None:
    """Raise ValueError where the source does not make a network with the same tensors."""
    found: dict[str, Any] = {}
    try:
        exec(compile(source, title, "exec"), found)
        made: nn.Module = found["Model"]()
        state = network.state_dict()
        made.load_state_dict({name: state[name] for name in made.state_dict()})
    except Exception as error:
        raise ValueError(f"{title}: what was written as code cannot be run: {error}") from error
