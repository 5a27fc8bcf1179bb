import json
from pathlib import Path

import pytest

from fastcifar.data import data_report, format_report, report_json, write_python
from fastcifar.data.dataset import Dataset


@pytest.mark.usefixtures("small_cifar")
def test_the_report(small: dict[str, Dataset], tmp_path: Path) -> None:
    folder = write_python(small["cifar10"], tmp_path)
    (found, missing) = data_report(["cifar10", "cifar100"], tmp_path)
    assert [(Path(each.path).name, each.kind, each.state) for each in found.looked_in] == [
        ("cifar-10-batches-py", "python folder", "found"),
        ("cifar-10-batches-bin", "binary folder", "missing"),
        ("cifar-10-python.tar.gz", "python archive", "missing"),
        ("cifar-10-binary.tar.gz", "binary archive", "missing"),
    ]
    assert (found.source, found.verified, found.fingerprint, found.canonical) == (str(folder), False, None, None)
    assert (missing.source, missing.verified, missing.error) == (None, False, None)

    verified, still_missing = data_report(["cifar10", "cifar100"], tmp_path, verify=True)
    assert (verified.verified, verified.canonical, verified.fingerprint) == (True, False, small["cifar10"].fingerprint)
    assert (verified.num_train, verified.num_test, verified.num_classes) == (50, 20, 10)
    assert still_missing == missing
    assert (
        format_report([verified, missing])
        == f"""\
cifar10
  found    {folder} (python folder)
  missing  {tmp_path}/cifar-10-batches-bin (binary folder)
  missing  {tmp_path}/cifar-10-python.tar.gz (python archive)
  missing  {tmp_path}/cifar-10-binary.tar.gz (binary archive)
  source       {folder}
  images       50 train, 20 test, 10 classes
  fingerprint  {small["cifar10"].fingerprint}
  canonical    no

cifar100
  missing  {tmp_path}/cifar-100-python (python folder)
  missing  {tmp_path}/cifar-100-binary (binary folder)
  missing  {tmp_path}/cifar-100-python.tar.gz (python archive)
  missing  {tmp_path}/cifar-100-binary.tar.gz (binary archive)
  source       none: nothing was found"""
    )
    as_json = json.loads(json.dumps(report_json([verified])))
    assert as_json[0]["looked_in"][0] == {"path": str(folder), "kind": "python folder", "state": "found"}
    assert as_json[0]["num_classes"] == 10


@pytest.mark.usefixtures("small_cifar")
def test_broken_data_is_reported(small: dict[str, Dataset], tmp_path: Path) -> None:
    (write_python(small["cifar10"], tmp_path) / "data_batch_4").unlink()
    (status,) = data_report(["cifar10"], tmp_path, verify=True)
    assert not status.verified
    assert status.error is not None
    assert "data_batch_4: expected a file" in status.error
    assert f"  error        {status.error}" in format_report([status])


def test_synthetic_data_is_made_up(tmp_path: Path) -> None:
    (status,) = data_report(["synthetic"], tmp_path)
    assert (status.looked_in, status.source) == ((), "made up on the spot")
    assert format_report([status]) == "synthetic\n  source       made up on the spot"


def test_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no dataset 'mnist'"):
        data_report(["mnist"], tmp_path)


def test_an_unknown_home() -> None:
    (status,) = data_report(["cifar10"], "~nobody-of-this-name")
    assert status.error is not None
    assert "no folder to look for data in" in status.error
