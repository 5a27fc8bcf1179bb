import gzip
import hashlib
import io
import pickle
import random
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastcifar.data.dataset import DataError, Dataset, Split
from fastcifar.data.published.formats import write_archive, write_binary, write_python
from fastcifar.data.published.layouts import CIFAR10, LAYOUTS, Layout
from fastcifar.data.published.parse import parse_batch
from fastcifar.data.published.places import Place, places
from fastcifar.data.published.readers import read_dataset

FORMS = [(name, format, packed) for name in LAYOUTS for format in ("python", "binary") for packed in (False, True)]


def write(dataset: Dataset, root: Path, format: str, packed: bool) -> None:
    """Leaves only the wanted form in `root`."""
    if packed:
        archive = write_archive(dataset, root, "python" if format == "python" else "binary")
        shutil.rmtree(next(path for path in root.iterdir() if path != archive))
    else:
        (write_python if format == "python" else write_binary)(dataset, root)


def only_place(layout: Layout, root: Path) -> Place:
    (place,) = (place for place in places(layout, root) if place.found)
    return place


def assert_same(found: Split, expected: Split) -> None:
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.images.dtype == np.uint8
    assert found.labels.dtype == np.int64


def expect_error(layout: Layout, root: Path, *parts: str) -> None:
    with pytest.raises(DataError) as caught:
        read_dataset(only_place(layout, root), layout)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(("name", "format", "packed"), FORMS)
def test_every_form_gives_the_same_dataset(
    layouts: dict[str, Layout], small: dict[str, Dataset], tmp_path: Path, name: str, format: str, packed: bool
) -> None:
    expected = small[name]
    write(expected, tmp_path, format, packed)
    place = only_place(layouts[name], tmp_path)
    found = read_dataset(place, layouts[name])
    assert_same(found.train, expected.train)
    assert_same(found.test, expected.test)
    assert (found.name, found.classes, found.canonical) == (name, expected.classes, False)
    assert found.fingerprint == expected.fingerprint
    assert found.source == str(place.path)


def test_the_binary_layout_by_hand() -> None:
    """A record is the label, then 1024 bytes of red, of green, of blue, row by row."""
    record = bytearray([7]) + bytes([1]) * 1024 + bytes([2]) * 1024 + bytes([3]) * 1024
    record[1 + 32] = 100  # red, second row, first column
    layout = replace(CIFAR10, test_images=1)
    planes, labels = parse_batch(bytes(record), CIFAR10.forms[1], layout, 1)
    assert labels.tolist() == [7]
    image = planes.reshape(3, 32, 32).transpose(1, 2, 0)
    assert image[1, 0].tolist() == [100, 2, 3]
    assert image[0, 0].tolist() == [1, 2, 3]


def test_canonical_by_the_sum_of_each_python_batch(
    layouts: dict[str, Layout], small: dict[str, Dataset], tmp_path: Path
) -> None:
    folder = write_python(small["cifar10"], tmp_path)
    layout = layouts["cifar10"]
    sums = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in layout.counts(layout.forms[0])}
    published = replace(layout, forms=(replace(layout.forms[0], file_md5=sums), layout.forms[1]))
    assert read_dataset(only_place(published, tmp_path), published).canonical
    other = replace(published.forms[0], file_md5={**sums, "test_batch": "0" * 32})
    other_layout = replace(published, forms=(other, layout.forms[1]))
    assert not read_dataset(only_place(other_layout, tmp_path), other_layout).canonical


def test_canonical_by_the_sum_of_the_binary_archive(
    layouts: dict[str, Layout], small: dict[str, Dataset], tmp_path: Path
) -> None:
    write(small["cifar10"], tmp_path, "binary", packed=True)
    layout = layouts["cifar10"]
    form = layout.forms[1]
    md5 = hashlib.md5((tmp_path / form.archive.file_name).read_bytes()).hexdigest()
    published = replace(layout, forms=(layout.forms[0], replace(form, archive=replace(form.archive, md5=md5))))
    assert read_dataset(only_place(published, tmp_path), published).canonical
    assert not read_dataset(only_place(layout, tmp_path), layout).canonical


def test_class_names_fall_back_to_the_published_ones(
    layouts: dict[str, Layout], small: dict[str, Dataset], tmp_path: Path
) -> None:
    (write_python(small["cifar10"], tmp_path) / "batches.meta").unlink()
    layout = layouts["cifar10"]
    assert read_dataset(only_place(layout, tmp_path), layout).classes == CIFAR10.classes


def change_batch(root: Path, name: str = "data_batch_3", **changes: Any) -> None:
    path = root / "cifar-10-batches-py" / name
    batch = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({key: value for key, value in (batch | changes).items() if value is not None}, 2))


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"labels": [0] * 9}, ["expected 10 labels, found 9"]),
        ({"labels": [0] * 9 + [57]}, ["expected labels from 0 to 9, found 57 at image 9"]),
        ({"labels": [0] * 9 + [-1]}, ["expected labels from 0 to 9, found -1"]),
        ({"labels": [0] * 9 + [1 << 70]}, ["beyond 64 bits"]),
        ({"labels": [0] * 9 + ["0"]}, ["expected a list of whole numbers under 'labels'"]),
        ({"labels": None, "fine_labels": [0] * 10}, ["expected CIFAR-10", "looks like CIFAR-100"]),
        ({"labels": None}, ["expected CIFAR-10, with 'data' and 'labels', found a dict of batch_label, data"]),
        ({"data": np.zeros((9, 3072), np.uint8)}, ["expected 10 images", "(9, 3072)"]),
        ({"data": np.zeros((10, 3071), np.uint8)}, ["(10, 3072)", "found uint8 (10, 3071)"]),
        ({"data": np.zeros((10, 3072), np.int16)}, ["found int16"]),
        ({"data": [0]}, ["expected an array under 'data', found a list"]),
    ],
)
def test_a_wrong_python_batch(
    layouts: dict[str, Layout], small: dict[str, Dataset], tmp_path: Path, changes: dict[str, Any], parts: list[str]
) -> None:
    write_python(small["cifar10"], tmp_path)
    change_batch(tmp_path, **changes)
    expect_error(layouts["cifar10"], tmp_path, str(tmp_path / "cifar-10-batches-py" / "data_batch_3"), *parts)


def test_cifar10_where_cifar100_was_asked(
    layouts: dict[str, Layout], small: dict[str, Dataset], tmp_path: Path
) -> None:
    folder = write_python(small["cifar100"], tmp_path)
    (folder / "train").write_bytes(pickle.dumps({"data": np.zeros((120, 3072), np.uint8), "labels": [0] * 120}, 2))
    expect_error(layouts["cifar100"], tmp_path, "train", "expected CIFAR-100", "found what looks like CIFAR-10")


def test_a_binary_batch_of_the_other_dataset_or_size(
    layouts: dict[str, Layout], small: dict[str, Dataset], tmp_path: Path
) -> None:
    folder = write_binary(small["cifar10"], tmp_path)
    path = folder / "data_batch_2.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    expect_error(
        layouts["cifar10"], tmp_path, str(path), "expected 10 images of CIFAR-10, 30730 bytes", "found 30729 bytes"
    )
    path.write_bytes(b"\x0b" + whole[1:])
    expect_error(layouts["cifar10"], tmp_path, str(path), "expected labels from 0 to 9, found 11 at image 0")
    path.write_bytes(whole + bytes(10 << 20))
    expect_error(layouts["cifar10"], tmp_path, str(path), "expected at most", "found more")


def test_coarse_labels_are_checked(layouts: dict[str, Layout], small: dict[str, Dataset], tmp_path: Path) -> None:
    path = write_binary(small["cifar100"], tmp_path) / "test.bin"
    path.write_bytes(b"\x14" + path.read_bytes()[1:])
    expect_error(layouts["cifar100"], tmp_path, str(path), "expected coarse labels from 0 to 19, found 20")


def test_a_missing_class(layouts: dict[str, Layout], small: dict[str, Dataset], tmp_path: Path) -> None:
    write_python(small["cifar10"], tmp_path)
    change_batch(tmp_path, "test_batch", labels=[0, 1, 2, 3, 4, 5, 6, 7, 8, 8] * 2)
    expect_error(
        layouts["cifar10"], tmp_path, "(test)", "expected images of all 10 classes, found none of 9 (texture_09)"
    )


@pytest.mark.parametrize("file_name", ["data_batch_1", "test_batch", "batches.meta"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"<html>not here</html>"),
        lambda path: path.write_bytes(path.read_bytes()[:-7]),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: path.write_bytes(pickle.dumps([1, 2], 2)),
        lambda path: path.write_bytes(pickle.dumps({"label_names": ["a"], "data": 1, "labels": 2}, 2)),
    ],
    ids=["missing", "empty", "html", "cut", "folder", "list", "other dict"],
)
def test_spoilt_files_are_named(
    layouts: dict[str, Layout],
    small: dict[str, Dataset],
    tmp_path: Path,
    file_name: str,
    spoil: Callable[[Path], object],
) -> None:
    path = write_python(small["cifar10"], tmp_path) / file_name
    spoil(path)
    if file_name == "batches.meta" and not path.exists():
        return  # the names are published
    expect_error(layouts["cifar10"], tmp_path, str(path), "expected", "found")


@pytest.mark.parametrize(("name", "format", "packed"), FORMS)
def test_truncations_and_bit_flips_anywhere(
    layouts: dict[str, Layout], small: dict[str, Dataset], tmp_path: Path, name: str, format: str, packed: bool
) -> None:
    """Nothing but `DataError` escapes. An archive that still loads is unchanged: it has a checksum."""
    write(small[name], tmp_path, format, packed)
    layout = layouts[name]
    place = only_place(layout, tmp_path)
    path = place.path if packed else place.path / place.form.test_file
    whole = path.read_bytes()
    draw = random.Random(0)
    sizes = {0, 1, 2, 17, 18, 100, 512, len(whole) // 2, len(whole) - 9, len(whole) - 8, len(whole) - 1}
    for size in sizes | {draw.randrange(len(whole)) for _ in range(10)}:
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=path.name):
            read_dataset(place, layout)
    for place_of_bit in [*range(0, 400, 7), *(draw.randrange(8 * len(whole)) for _ in range(40))]:
        damaged = bytearray(whole)
        damaged[place_of_bit // 8] ^= 1 << place_of_bit % 8
        path.write_bytes(damaged)
        try:
            found = read_dataset(place, layout)
        except DataError as error:
            assert str(place.path) in str(error)
        else:
            if packed:  # the bit was in gzip's header, which says nothing of the content
                assert found.fingerprint == small[name].fingerprint


def make_archive(root: Path, members: dict[str, bytes], tail: bytes = b"") -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    (root / "cifar-10-python.tar.gz").write_bytes(gzip.compress(buffer.getvalue() + tail, 1))


def test_an_archive_of_other_things(layouts: dict[str, Layout], tmp_path: Path) -> None:
    make_archive(tmp_path, {"cifar-100-python/train": b"x", "cifar-100-python/test": b"x"})
    expect_error(
        layouts["cifar10"], tmp_path, "cifar-10-python.tar.gz: expected data_batch_1 in it, found none of its files"
    )


def test_archives_that_would_grow_without_bound(layouts: dict[str, Layout], tmp_path: Path) -> None:
    make_archive(tmp_path, {"x/data_batch_1": bytes(10 << 20)})
    expect_error(layouts["cifar10"], tmp_path, "data_batch_1: expected at most", "found more")
    make_archive(tmp_path, {"x/readme": bytes(64 << 20)})
    expect_error(layouts["cifar10"], tmp_path, "expected at most", "bytes when unpacked, found more")
    make_archive(tmp_path, {"x/readme": b"x"}, tail=bytes(64 << 20))
    expect_error(layouts["cifar10"], tmp_path, "expected at most", "bytes when unpacked, found more")


def test_links_in_an_archive_are_not_followed(layouts: dict[str, Layout], tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
        link = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    expect_error(layouts["cifar10"], tmp_path, "expected data_batch_1 in it")


def test_a_file_that_cannot_be_read(
    layouts: dict[str, Layout], small: dict[str, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_python(small["cifar10"], tmp_path)

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    expect_error(layouts["cifar10"], tmp_path, "data_batch_1: cannot be read (Permission denied)")
