"""Finds and reads a dataset by its name."""

import sys
from collections.abc import Sequence
from pathlib import Path

from fastcifar.data.dataset import DataError, Dataset, NoDataError
from fastcifar.data.published.connection import Unreachable
from fastcifar.data.published.download import MIRROR_VARIABLE, fetch
from fastcifar.data.published.layouts import LAYOUTS, Layout
from fastcifar.data.published.places import DATA_VARIABLE, Place, data_root, places
from fastcifar.data.published.readers import read_dataset
from fastcifar.data.synthetic import SYNTHETIC_CLASSES, synthetic
from fastcifar.names import nearest

NAMES = (*LAYOUTS, *SYNTHETIC_CLASSES)

_warned: set[str] = set()  # sources that were warned about in this process


def load(name: str, root: str | Path | None = None, download: bool = True) -> Dataset:
    """Loads 'cifar10', 'cifar100' (fine labels), 'synthetic' or 'synthetic100'.

    Looks in `root`, else in FASTCIFAR_DATA, else in the user's cache folder, for the python or the binary batches,
    as a folder or as a tar.gz; `root` may itself be one of these. If `download`, missing data is downloaded to that
    folder. Data that is whole but not the published data gives one warning line on stderr.

    Raises `DataError` for damaged data, and its subclass `NoDataError` if the data is missing and not downloaded.
    """
    check_name(name)
    if name in SYNTHETIC_CLASSES:
        return synthetic(SYNTHETIC_CLASSES[name])
    layout = LAYOUTS[name]
    place = _find_or_fetch(layout, data_root(root), download)
    dataset = read_dataset(place, layout)
    if not dataset.canonical:
        _warn_once(layout, place)
    return dataset


def locate(name: str, root: str | Path | None = None) -> tuple[Place, ...]:
    """Every path at which `load` would look, and whether it exists; none for synthetic data.

    `load` reads the first one that exists. Raises ValueError for an unknown name, `DataError` for a folder
    that cannot be read.
    """
    check_name(name)
    return places(LAYOUTS[name], data_root(root)) if name in LAYOUTS else ()


def num_classes(name: str) -> int:
    """The number of classes of a dataset. Raises ValueError for an unknown name."""
    check_name(name)
    return SYNTHETIC_CLASSES[name] if name in SYNTHETIC_CLASSES else len(LAYOUTS[name].classes)


def check_name(name: str) -> None:
    """Raises ValueError for an unknown name; the message names the nearest known ones."""
    if name not in NAMES:
        raise ValueError(f"there is no dataset {name!r}{nearest(name, NAMES)}")


def _find_or_fetch(layout: Layout, root: Path, download: bool) -> Place:
    looked = places(layout, root)
    place = _first_found(looked)
    if place is not None:
        return place
    if root.is_file():
        names = " or ".join(form.archive.file_name for form in layout.forms)
        raise DataError(f"{root}: expected a folder, or a file named {names}, found a file of another name")
    if not download:
        raise NoDataError(_ways_out(layout, looked, "not asked to download it"))
    try:
        fetch(layout.forms[0].archive, root)
    except Unreachable as error:
        raise NoDataError(_ways_out(layout, looked, f"it could not be downloaded: {error}")) from None
    place = _first_found(places(layout, root))
    assert place is not None
    return place


def _first_found(looked: Sequence[Place]) -> Place | None:
    return next((place for place in looked if place.found), None)


def _ways_out(layout: Layout, looked: Sequence[Place], why: str) -> str:
    archive = layout.forms[0].archive
    stand_in = "synthetic" if len(layout.classes) == 10 else "synthetic100"
    lines = [
        f"{layout.name} was not found, and {why}",
        "looked for:",
        *(f"  {place.path}" for place in looked),
        "three ways out:",
        f"  1. put one of these files or folders in a folder, and name it by --data-dir DIR or {DATA_VARIABLE}=DIR",
        f"  2. name a mirror that has {archive.file_name}, a URL or a folder, by {MIRROR_VARIABLE}=...",
        f"  3. train on made-up images: --set dataset={stand_in}",
    ]
    return "\n".join(lines)


def _warn_once(layout: Layout, place: Place) -> None:
    source = str(place.path)
    if source in _warned:
        return
    _warned.add(source)
    if place.form.file_md5:
        why = "the MD5 sums of its batches are not the published ones"
    elif place.packed:
        why = "its MD5 sum is not the published one"
    else:
        why = "no MD5 sums are published for unpacked binary batches"
    print(f"warning: {layout.name} in {source} is whole but not known to be canonical: {why}", file=sys.stderr)
