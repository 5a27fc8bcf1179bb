"""The folders of experiments: made, and found by their names."""

from pathlib import Path

from fastcifar.experiment.store.store import FILE, StoreError
from fastcifar.making import new_folder

OUT = Path("runs")  # where nothing else is said


def make_folder(out: Path, name: str) -> Path:
    """Make the folder of a new experiment under `out`; its name, which a long `name` is cut for, is the id."""
    try:
        return new_folder(out, name)
    except OSError as error:
        raise StoreError(f"cannot write to the output folder {out}: {error.strerror}") from error


def find_folder(out: Path, name: str) -> Path:
    """The folder of an experiment: a path, or an id (or its beginning) under `out`. Raises StoreError."""
    for path in (Path(name), out / name):
        if (path / FILE).is_file():
            return path
    found = [path.parent for path in sorted(out.glob(f"*/{FILE}")) if name and path.parent.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    which = ", ".join(path.name for path in found)
    raise StoreError(
        f"{name!r} is more than one experiment: {which}" if found else f"there is no experiment {name!r} under {out}"
    )
