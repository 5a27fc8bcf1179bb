"""YAML files as plain values, more strictly than PyYAML reads them."""

import re
from pathlib import Path
from typing import Any

import yaml

from fastcifar.names import short, writable
from fastcifar.reading import UnreadableError, read_text
from fastcifar.rules import ConfigError

MAX_BYTES = 1 << 20  # PyYAML reads some 100 kB a second
MAX_VALUES = 100_000  # with aliases expanded: 600 bytes of aliases to aliases can mean billions
MAX_NUMBER = 1000  # characters of a value that is not text: 1:30:00:00... is a number in base 60, and slow to read
MAX_DEPTH = 100  # lists and objects in each other


def read_yaml(path: str | Path) -> Any:
    """The values of a YAML file. A repeated key is an error; 1e-4 is a number, as in YAML 1.2 and JSON.

    Raises ConfigError that names the file and the line.
    """
    path = Path(path)
    try:
        return yaml.load(read_text(path, MAX_BYTES), _Loader)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnreadableError as error:
        raise ConfigError(str(error)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        what = "" if isinstance(error, _Refused) else "not YAML: "
        raise ConfigError(f"{path}{line}: {what}{_line(error.problem)}") from None
    except RecursionError:
        raise ConfigError(f"{path}: lists and objects are nested too deeply") from None
    except (LookupError, AttributeError):  # what PyYAML stumbles over: !!float "", !!bool x
        raise ConfigError(f"{path}: not YAML: a value does not fit its tag") from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:  # a forbidden character; 2024-13-01
        raise ConfigError(f"{path}: not YAML: {_line(error)}") from None


def _line(message: object) -> str:
    """A message of PyYAML's or Python's as one short line."""
    return " ".join(str(message).split())[:200]


class _Refused(yaml.MarkedYAMLError):
    """YAML beyond the limits."""


class _Loader(yaml.SafeLoader):
    values = 0  # that were read so far

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None:
            _Expanded().check(node)
        return node

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.values += 1
        if self.values > MAX_VALUES:
            raise _too_many(self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if len(node.value) > MAX_NUMBER and node.tag != "tag:yaml.org,2002:str":
            raise _at(node.start_mark, f"a value of more than {MAX_NUMBER:,} characters that is not text")
        if not writable(node.value):
            raise _at(node.start_mark, f"half of a character: {short(node.value)}")
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:  # as written: what `<<` brings is not here yet
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    problem = f"the key {short(key.value)} occurs twice"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                seen.add((key.tag, key.value))
        return node


class _Expanded:
    """The size of each node with aliases expanded: (values, nesting). Each node is visited once."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[int, int] | None] = {}  # by the node's identity; None while it is looked at

    def check(self, node: yaml.Node, depth: int = 0) -> tuple[int, int]:
        """Raises MarkedYAMLError for too many values, for a node in itself, and for deep nesting."""
        if id(node) not in self.known:
            self.known[id(node)] = None
            self.known[id(node)] = self._look(node, depth)
        found = self.known[id(node)]
        if found is None:
            raise _at(node.start_mark, "an alias is inside of what it names")
        if depth + found[1] > MAX_DEPTH:
            raise _too_deep(node)
        return found

    def _look(self, node: yaml.Node, depth: int) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            return 1, 0
        if depth == MAX_DEPTH:
            raise _too_deep(node)
        pairs = isinstance(node, yaml.MappingNode)
        inner = [self.check(one, depth + 1) for item in node.value for one in (item if pairs else (item,))]
        total = 1 + sum(values for values, _ in inner)
        if total > MAX_VALUES:
            raise _too_many(node.start_mark)
        return total, 1 + max((nesting for _, nesting in inner), default=0)


def _too_deep(node: yaml.Node) -> yaml.MarkedYAMLError:
    return _at(node.start_mark, f"lists and objects are nested more than {MAX_DEPTH} deep")


def _too_many(mark: Any) -> yaml.MarkedYAMLError:
    return _at(mark, f"it has more than {MAX_VALUES:,} values, with those of its aliases")


def _at(mark: Any, problem: str) -> yaml.MarkedYAMLError:
    return _Refused(problem=problem, problem_mark=mark)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)
