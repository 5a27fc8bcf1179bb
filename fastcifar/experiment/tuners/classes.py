"""Classes of the user's, found by what a configuration or a flag calls them."""

import importlib.util
import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType

from fastcifar.names import nearest, short
from fastcifar.rules import ConfigError


def find_class(named: str, directory: Path, where: str) -> type:
    """The class that is called `file.Class` (as in NNI), `path/to/file.py:Class` or `module:Class`.

    directory: absolute, from which files are found, and modules before those that Python finds elsewhere.
    Raises ConfigError, which begins with `where`; lets no exception of the user's code pass.
    """
    place, _, name = named.rpartition(":" if ":" in named else ".")
    file, home = _file(named, place, directory)
    if not place or not name or "\0" in named or (file is not None and not file.is_file()):
        form = "module:Class, or file.py:Class" if ":" in named else "file.Class"
        raise ConfigError(f"{where}: {form} with a file in {directory} is needed, not {short(named)}")
    try:
        with redirect_stdout(sys.stderr):  # stdout is for results
            module = _by_name(place, directory) if file is None else _by_file(file, home)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{where}: {file or place}: {error}") from error
    except Exception as error:
        raise ConfigError(f"{where}: {file or place} fails: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if not isinstance(found, type):
        raise ConfigError(f"{where}: {file or place} has no class {name}{_others(module, name)}")
    return found


def _file(named: str, place: str, directory: Path) -> tuple[Path | None, Path]:
    """The file of a class, None where its module is named; and the folder where the file's own imports lie."""
    if ":" not in named:
        return directory / f"{place.replace('.', '/')}.py", directory
    if not place.endswith(".py"):
        return None, directory
    file = directory / place
    return file, file.parent


def _others(module: ModuleType, name: str) -> str:
    classes = [one for one, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return nearest(name, classes) if classes else ""


def _by_name(module: str, directory: Path) -> ModuleType:
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))  # as for the function of a search
    return import_module(module)


def _by_file(file: Path, home: Path) -> ModuleType:
    """Run a file as a module of its own name, so that two folders may have a file of the same name."""
    spec = importlib.util.spec_from_file_location(f"fastcifar_user:{file}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look for it there
    if str(home) not in sys.path:
        sys.path.append(str(home))  # as NNI does: what the file imports, now or later, lies there too
    spec.loader.exec_module(module)
    return module
