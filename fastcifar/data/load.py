"""From a dataset's name to the dataset: where it is looked for, and how it is read."""

import difflib
import sys
from pathlib import Path

from fastcifar.data.dataset import DataError, Dataset, NoDataError
from fastcifar.data.places import Place, data_root, places
from fastcifar.data.published import LAYOUTS, Layout
from fastcifar.data.readers import read_dataset

_warned: set[str] = set()  # sources that were warned about in this process


def load(name: str, root: str | Path | None = None, download: bool = True) -> Dataset:
    """Loads 'cifar10', 'cifar100' (fine labels), 'synthetic' or 'synthetic100'.

    Looks in `root`, else in FASTCIFAR_DATA, else in the user's cache folder, for the python or the binary batches,
    as a folder or as a tar.gz; `root` may itself be one of these. What is not there is downloaded to there, if
    `download`. Raises `DataError`; of these, `NoDataError` where nothing was found and nothing could be fetched.
    """
    layout = _layout(name)
    folder = data_root(root)
    looked = places(layout, folder)
    place = next((place for place in looked if place.found), None)
    if place is None:
        raise NoDataError(f"{name}: not found in {folder}")
    dataset = read_dataset(place, layout)
    if not dataset.canonical:
        _warn_once(name, place)
    return dataset


def _layout(name: str) -> Layout:
    if name in LAYOUTS:
        return LAYOUTS[name]
    names = list(LAYOUTS)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise DataError(f"unknown dataset {name!r}: expected one of {', '.join(names)}{hint}")


def _warn_once(name: str, place: Place) -> None:
    if str(place.path) in _warned:
        return
    _warned.add(str(place.path))
    if place.form.file_md5:
        why = "the MD5 sums of its batches are not the published ones"
    elif place.packed:
        why = "its MD5 sum is not the published one"
    else:
        why = "no MD5 sums are published for unpacked binary batches"
    print(f"warning: {name} in {place.path} is whole but not known to be canonical: {why}", file=sys.stderr)
