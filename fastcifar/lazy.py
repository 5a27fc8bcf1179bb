"""Names of a package that are imported on first use."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(package: str, homes: Mapping[str, str], names: dict[str, Any]) -> Callable[[str], Any]:
    """Make the `__getattr__` of `package`.

    homes: module -> its names, in one string; a module of the package has its relative name, another its full name.
    names: the package's globals, which cache the imported values.
    """

    def get(name: str) -> Any:
        for module, there in homes.items():
            if name in there.split():
                full = module if module.startswith("fastcifar.") else f"{package}.{module}"
                value = names[name] = getattr(import_module(full), name)
                return value
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
