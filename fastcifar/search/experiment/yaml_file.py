"""YAML files as plain values, more strictly than PyYAML reads them."""

import re
from pathlib import Path
from typing import Any

import yaml

from fastcifar.search.experiment.config_rules import ConfigError


def read_yaml(path: str | Path) -> Any:
    """The values of a YAML file. A key may not be there twice; 1e-4 is a number, as in YAML 1.2 and JSON.

    Raises ConfigError that names the file and the line.
    """
    path = Path(path)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # a character that YAML forbids; a date such as 2024-13-01
        raise ConfigError(f"{path}: not YAML: {error}") from None


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:  # as written: what `<<` brings is not here yet
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark
                    )
                seen.add((key.tag, key.value))
        return node


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)
