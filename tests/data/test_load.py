import hashlib
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from fastcifar.data.dataset import DataError, Dataset, NoDataError, Split, fingerprint
from fastcifar.data.load import load, locate
from fastcifar.data.published.formats import write_archive, write_binary, write_python
from fastcifar.data.published.layouts import CIFAR10, CIFAR100


def test_the_full_size(full: Dataset, full_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = load("cifar10", full_root, download=False)
    assert found.fingerprint == full.fingerprint
    assert found.train.images.shape == (50_000, 32, 32, 3)
    assert found.test.images.shape == (10_000, 32, 32, 3)
    assert (found.name, found.canonical) == ("cifar10", False)
    folder = full_root / "cifar-10-batches-py"
    assert found.source == str(folder)
    assert capsys.readouterr().err == (
        f"warning: cifar10 in {folder} is whole but not known to be canonical: "
        "the MD5 sums of its batches are not the published ones\n"
    )


def test_a_short_dataset_is_an_error(small: dict[str, Dataset], tmp_path: Path) -> None:
    write_python(small["cifar10"], tmp_path)
    with pytest.raises(DataError, match=r"data_batch_1: expected 10000 images.*found uint8 \(10, 3072\)"):
        load("cifar10", tmp_path)


def test_the_fingerprint_by_hand() -> None:
    images = np.arange(2 * 3072, dtype=np.uint32).astype(np.uint8).reshape(2, 32, 32, 3)
    labels = np.array([3, 1])
    bytes_of = [
        b"train 2\n" + images.tobytes() + bytes([3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
        b"test 1\n" + images[1:].tobytes() + bytes([1, 0, 0, 0, 0, 0, 0, 0]),
    ]
    train, test = Split(images=images, labels=labels), Split(images=images[1:], labels=labels[1:])
    assert fingerprint(train, test) == hashlib.sha256(b"".join(bytes_of)).hexdigest()


@pytest.mark.usefixtures("small_cifar")
class TestSmall:
    def test_the_order_of_roots(
        self, small: dict[str, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        roots = [tmp_path / "flag", tmp_path / "variable", tmp_path / "cache" / "fastcifar"]
        for root in roots:
            write_python(small["cifar10"], root)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        assert load("cifar10").source == str(roots[2] / "cifar-10-batches-py")
        monkeypatch.setenv("FASTCIFAR_DATA", str(roots[1]))
        assert load("cifar10").source == str(roots[1] / "cifar-10-batches-py")
        assert load("cifar10", roots[0]).source == str(roots[0] / "cifar-10-batches-py")

    def test_the_cache_folder_without_xdg(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert locate("cifar10")[0].path == tmp_path / ".cache" / "fastcifar" / "cifar-10-batches-py"
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        assert locate("cifar10")[0].path == tmp_path / ".cache" / "fastcifar" / "cifar-10-batches-py"

    @pytest.mark.parametrize("format", ["python", "binary"])
    @pytest.mark.parametrize("name", ["cifar10", "cifar100"])
    def test_a_root_that_is_itself_the_data(
        self, small: dict[str, Dataset], tmp_path: Path, name: str, format: str
    ) -> None:
        archive = write_archive(small[name], tmp_path, "python" if format == "python" else "binary")
        folder = next(path for path in tmp_path.iterdir() if path.is_dir())
        other = shutil.copytree(folder, tmp_path / "of another name")
        for root in (archive, folder, other):
            found = load(name, root, download=False)
            assert found.source == str(root)
            assert found.fingerprint == small[name].fingerprint

    def test_the_folder_is_preferred_to_the_archive(self, small: dict[str, Dataset], tmp_path: Path) -> None:
        write_archive(small["cifar10"], tmp_path, "python")
        write_archive(small["cifar10"], tmp_path, "binary")
        assert [(place.path.name, place.found) for place in locate("cifar10", tmp_path)] == [
            ("cifar-10-batches-py", True),
            ("cifar-10-batches-bin", True),
            ("cifar-10-python.tar.gz", True),
            ("cifar-10-binary.tar.gz", True),
        ]
        assert load("cifar10", tmp_path).source == str(tmp_path / "cifar-10-batches-py")

    def test_one_warning_per_source(
        self, small: dict[str, Dataset], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_binary(small["cifar10"], tmp_path / "a")
        archive = write_archive(small["cifar10"], tmp_path / "b", "binary")
        for _ in range(2):
            load("cifar10", tmp_path / "a")
            load("cifar10", archive)
        first, second = capsys.readouterr().err.splitlines()
        assert first.startswith(f"warning: cifar10 in {tmp_path / 'a' / 'cifar-10-batches-bin'} is whole but not")
        assert first.endswith("no MD5 sums are published for unpacked binary batches")
        assert second.endswith("its MD5 sum is not the published one")

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(NoDataError) as caught:
            load("cifar100", tmp_path / "nowhere", download=False)
        message = str(caught.value)
        for name in ("cifar-100-python", "cifar-100-binary", "cifar-100-python.tar.gz", "cifar-100-binary.tar.gz"):
            assert f"  {tmp_path / 'nowhere' / name}\n" in message
        for way in ("--data-dir", "FASTCIFAR_DATA", "FASTCIFAR_MIRROR", "--set dataset=synthetic100"):
            assert way in message
        assert not (tmp_path / "nowhere").exists()

    def test_a_root_that_is_another_file(self, tmp_path: Path) -> None:
        (tmp_path / "cifar.zip").write_bytes(b"x")
        with pytest.raises(DataError, match=r"cifar\.zip: expected a folder, or a file named cifar-10-python\.tar\.gz"):
            load("cifar10", tmp_path / "cifar.zip")

    def test_an_unknown_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(DataError, match="no folder to look for data in"):
            load("cifar10", "~nobody-of-this-name/data")

    def test_a_batch_that_would_run_code(self, small: dict[str, Dataset], tmp_path: Path) -> None:
        path = write_python(small["cifar10"], tmp_path) / "data_batch_1"
        path.write_bytes(pickle.dumps({"data": print, "labels": []}, protocol=2))
        with pytest.raises(DataError, match=r"data_batch_1: expected a pickle .* asks for __builtin__\.print"):
            load("cifar10", tmp_path)


@pytest.mark.parametrize(("name", "hint"), [("cifar11", "did you mean cifar1"), ("imagenet", "there are cifar10")])
def test_unknown_names(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        load(name)


def test_the_published_names() -> None:
    assert len(CIFAR10.classes) == len(set(CIFAR10.classes)) == 10
    assert len(CIFAR100.classes) == len(set(CIFAR100.classes)) == 100
    assert list(CIFAR100.classes) == sorted(CIFAR100.classes)  # as published
    assert (CIFAR10.classes[0], CIFAR10.classes[9], CIFAR100.classes[1]) == ("airplane", "truck", "aquarium_fish")
