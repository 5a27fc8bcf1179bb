"""Write a network as a Python file that imports torch only."""

import ast
import inspect
import math
from typing import Any

from torch import fx, nn

HEADER = '''"""{title}, found by fastcifar. Weights: Model().load_state_dict(...)."""

{imports}import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
'''
PLAIN = (int, float, bool, str, type(None))


def to_code(network: nn.Module, title: str) -> str:
    """The source of a class `Model` that computes what `network` does, with parameters of the same names.

    The forward pass is traced by torch.fx, and modules of torch.nn are written as calls of their constructors. Raises
    ValueError where that is impossible: for a forward pass that depends on tensor values or on `training`, or that
    needs names that torch does not have.
    """
    forward, names = _traced(network.train(), title)
    if _traced(network.eval(), title)[0] != forward:
        raise ValueError(
            f"{title}: its forward pass does not ask a module whether it trains; use nn.Dropout and the like"
        )
    if unknown := names - {"torch", "inf", "nan"}:
        raise ValueError(
            f"{title}: its forward pass needs {', '.join(sorted(unknown))}, which torch alone does not have"
        )
    lines: list[str] = []
    for name, module in network.named_modules():
        if name:
            lines.append(_put(name, _constructor(name, module) if _is_torchs(module) else "nn.Module()"))
        if not _is_torchs(module):
            lines += _tensors(name, module)
    body = "".join(f"        {line}\n" for line in lines)
    method = "".join(f"    {line}".rstrip() + "\n" for line in forward.strip("\n").splitlines())
    imports = "".join(f"from math import {name}\n" for name in sorted(names & {"inf", "nan"}))
    source = f"{HEADER.format(title=title, imports=imports)}{body}\n{method}"
    _check(source, network, title)
    return source


def _traced(network: nn.Module, title: str) -> tuple[str, set[str]]:
    """The source of the forward pass, and the names that it needs."""
    try:
        code = fx.Tracer().trace(network).python_code("self")
    except Exception as error:
        raise ValueError(f"{title}: its forward pass cannot be written as code: {error}") from error
    used = {node.id for node in ast.walk(ast.parse(code.src)) if isinstance(node, ast.Name)}
    return code.src, used & set(code.globals)


def _is_torchs(module: nn.Module) -> bool:
    """Whether it is a layer of torch.nn without children."""
    return getattr(nn, type(module).__name__, None) is type(module) and not list(module.children())


def _constructor(name: str, module: nn.Module) -> str:
    """The call that makes a layer of torch.nn, with the arguments that differ from their defaults."""
    given = []
    for argument, parameter in inspect.signature(type(module)).parameters.items():
        if not hasattr(module, argument):
            continue
        value: Any = getattr(module, argument)
        if argument == "bias":
            value = value is not None and value is not False
        if not all(isinstance(one, PLAIN) for one in (value if isinstance(value, (tuple, list)) else (value,))):
            raise ValueError(f"{name}: the {argument} of a {type(module).__name__} cannot be written as code")
        if value != parameter.default or type(value) is not type(parameter.default):
            written = f'float("{value}")' if isinstance(value, float) and not math.isfinite(value) else repr(value)
            given.append(f"{argument}={written}")
    return f"nn.{type(module).__name__}({', '.join(given)})"


def _tensors(name: str, module: nn.Module) -> list[str]:
    """The lines that register a module's own parameters and buffers."""
    lines = []
    for last, parameter in module.named_parameters(recurse=False):
        zeros = f"torch.zeros({tuple(parameter.shape)}, dtype={parameter.dtype})"
        lines.append(f"{_owner(name)}.register_parameter({last!r}, nn.Parameter({zeros}))")
    for last, buffer in module.named_buffers(recurse=False):
        if last in module._non_persistent_buffers_set:
            raise ValueError(f"{name}.{last}: a buffer that is not among the weights cannot be written as code")
        lines.append(
            f"{_owner(name)}.register_buffer({last!r}, torch.zeros({tuple(buffer.shape)}, dtype={buffer.dtype}))"
        )
    return lines


def _put(name: str, value: str) -> str:
    owner, _, last = name.rpartition(".")
    return (
        f"{_owner(owner)}.{last} = {value}" if last.isidentifier() else f"{_owner(owner)}.add_module({last!r}, {value})"
    )


def _owner(name: str) -> str:
    if all(piece.isidentifier() for piece in name.split(".")):
        return f"self.{name}"
    return f"self.get_submodule({name!r})" if name else "self"


def _check(source: str, network: nn.Module, title: str) -> None:
    """Raise ValueError where the network that the source makes has other tensors or layers."""
    found: dict[str, Any] = {}
    try:
        exec(compile(source, title, "exec"), found)
        made: nn.Module = found["Model"]()
        made.load_state_dict(network.state_dict())
    except Exception as error:
        raise ValueError(f"{title}: what was written as code cannot be run: {error}") from error
    for name, module in network.named_modules():
        if _is_torchs(module) and repr(made.get_submodule(name)) != repr(module):
            raise ValueError(f"{title}: {name}: {module!r} cannot be written as code")
    names = {str(node.target) for node in fx.Tracer().trace(network).nodes if node.op == "get_attr"}
    if missing := names - {name for name, _ in (*network.named_parameters(), *network.named_buffers())}:
        raise ValueError(f"{title}: {missing.pop()} is a tensor that is neither a parameter nor a buffer")
