import collections
import json
import math
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

from fastcifar.experiment import trial_api as functions
from fastcifar.experiment.trial_api import (
    get_experiment_id,
    get_next_parameter,
    get_sequence_id,
    get_trial_id,
    report_final_result,
    report_intermediate_result,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NNI_SYS_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def standalone(monkeypatch):
    for name in ("NNI_SYS_DIR", "NNI_EXP_ID", "NNI_TRIAL_JOB_ID", "NNI_TRIAL_SEQ_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(functions, "_ended", set())
    functions._warn_standalone.cache_clear()


def reports(folder):
    return [json.loads(line) for line in (folder / "reports.jsonl").read_text().splitlines()]


def test_parameters_are_read_from_the_folder(folder):
    (folder / "parameters.json").write_text('{"lr": 0.1, "net": {"_name": "small"}}')
    assert get_next_parameter() == {"lr": 0.1, "net": {"_name": "small"}}


def test_ids_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("NNI_EXP_ID", "exp")
    monkeypatch.setenv("NNI_TRIAL_JOB_ID", "exp-7")
    monkeypatch.setenv("NNI_TRIAL_SEQ_ID", "7")
    assert (get_experiment_id(), get_trial_id(), get_sequence_id()) == ("exp", "exp-7", 7)


def test_reports_are_lines_in_order(folder):
    report_intermediate_result(0.5)
    report_intermediate_result(1)
    report_final_result({"default": 0.75, "seconds": 3})
    assert reports(folder) == [
        {"type": "intermediate", "value": 0.5},
        {"type": "intermediate", "value": 1},
        {"type": "final", "value": {"default": 0.75, "seconds": 3}},
    ]


@pytest.mark.parametrize(
    "value, written",
    [
        (np.float32(0.25), 0.25),
        (np.int64(3), 3),
        (np.array([0.5]), 0.5),
        (torch.tensor(0.25), 0.25),
        (torch.tensor([2]), 2),
        ({"default": torch.tensor(0.5), "by_class": np.array([1, 2])}, {"default": 0.5, "by_class": [1, 2]}),
        ({"default": 1.0, 3: "three"}, {"default": 1.0, "3": "three"}),
        (types.MappingProxyType({"default": 1.0}), {"default": 1.0}),
        (collections.OrderedDict(default=2), {"default": 2}),
        (math.inf, math.inf),
        (np.float32("-inf"), -math.inf),
        ({"default": math.inf, "loss": -math.inf}, {"default": math.inf, "loss": -math.inf}),
    ],
)
def test_scalars_and_dicts_are_written_as_json(folder, value, written):
    report_final_result(value)
    assert reports(folder) == [{"type": "final", "value": written}]


@pytest.mark.parametrize("value", [math.nan, np.float64("nan"), torch.tensor(math.nan)])
def test_nan_survives(folder, value):
    report_intermediate_result(value)
    assert math.isnan(reports(folder)[0]["value"])


@pytest.mark.parametrize(
    "value",
    [
        "0.5",
        None,
        True,
        np.bool_(True),
        [0.5],
        np.array([1.0, 2.0]),
        torch.zeros(2),
        {},
        {"accuracy": 1},
        {"default": "x"},
        {"default": {"default": 1}},
        {"default": 1, "net": object()},
        {"default": 1, (1, 2): 3},
        1j,
        object(),
        10**400,
    ],
)
@pytest.mark.parametrize("report", [report_intermediate_result, report_final_result])
def test_what_is_no_result_raises_and_is_not_written(folder, report, value):
    with pytest.raises(ValueError, match="a number"):
        report(value)
    assert not (folder / "reports.jsonl").exists()


def test_a_refused_final_result_can_be_followed_by_a_good_one(folder):
    with pytest.raises(ValueError):
        report_final_result("good")
    report_final_result(1.0)
    assert reports(folder) == [{"type": "final", "value": 1.0}]


@pytest.mark.parametrize("report", [report_intermediate_result, report_final_result])
def test_after_the_final_result_a_report_is_a_warning(folder, capsys, report):
    report_final_result(1.0)
    assert capsys.readouterr().err == ""
    report(2.0)
    assert "result 2.0 is ignored" in capsys.readouterr().err
    assert reports(folder) == [{"type": "final", "value": 1.0}]


def test_standalone_has_no_parameters_and_warns_once(standalone, capsys):
    assert get_next_parameter() == {}
    assert get_next_parameter() == {}
    assert capsys.readouterr().err.count("NNI_SYS_DIR is not set") == 1
    assert (get_experiment_id(), get_trial_id(), get_sequence_id()) == ("STANDALONE", "STANDALONE", 0)


def test_standalone_logs_reports(standalone, capsys):
    report_intermediate_result(np.float32(0.5))
    report_final_result({"default": 1.0})
    assert capsys.readouterr().err == 'intermediate result: 0.5\nfinal result: {"default": 1.0}\n'
    with pytest.raises(ValueError):
        report_intermediate_result("text")


def test_the_import_brings_neither_torch_nor_pandas():
    check = "import sys, fastcifar.experiment.trial_api; sys.exit({'torch', 'pandas'} & set(sys.modules) != set())"
    assert subprocess.run([sys.executable, "-c", check], timeout=60).returncode == 0
