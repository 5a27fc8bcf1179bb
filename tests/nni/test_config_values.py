"""Configurations that are made in Python: their values, and each rule with the words in which it is told."""

from pathlib import Path

import pytest
from configs import SPACE, good

from fastcifar.nni.config import (
    AlgorithmConfig,
    ConfigError,
    ExperimentConfig,
    seconds,
)


def test_max_failures():
    assert good().max_failures == 20
    good(max_failures=0).check()
    with pytest.raises(ConfigError, match="max_failures: a whole number at least 0 is needed, not -1"):
        good(max_failures=-1).check()


def test_python_style():
    config = ExperimentConfig()
    config.experiment_name = "test"
    config.trial_concurrency = 2
    config.max_trial_number = 5
    config.search_space = SPACE
    config.trial_command = "python3 mnist.py"
    config.trial_code_directory = Path(__file__).parent
    config.training_service.use_active_gpu = True
    config.tuner.name = "TPE"
    config.tuner.class_args = {"optimize_mode": "maximize"}
    config.check()
    assert config.to_dict()["trial_code_directory"] == str(Path(__file__).parent)


def test_unknown_attributes():
    config = ExperimentConfig()
    with pytest.raises(ConfigError, match="ExperimentConfig has no field 'max_trials'; did you mean max_trial"):
        config.max_trials = 3
    with pytest.raises(ConfigError, match="AlgorithmConfig has no field 'class_arg'; did you mean class_args"):
        config.tuner.class_arg = {}
    with pytest.raises(ConfigError, match="LocalConfig has no field 'use_gpu'; did you mean use_active_gpu"):
        config.training_service.use_gpu = True


def test_parts_from_objects():
    config = ExperimentConfig(tuner={"Name": "GP", "classArgs": None})
    assert config.tuner == AlgorithmConfig(name="GP") and config.tuner.class_args == {}
    config.tuner = None
    config.tuner.name = "TPE"
    assert ExperimentConfig().tuner.name is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [("30s", 30), ("10m", 600), ("1h", 3600), ("2d", 172800), ("1.5H", 5400), (" 5 s ", 5), (7, 7), (0.5, 0.5)],
)
def test_seconds(value, expected):
    assert seconds(value) == expected


@pytest.mark.parametrize(
    "value", ["30", "1w", "h", "-1s", "0s", "1h30m", "", 0, -1, True, None, float("inf"), float("nan")]
)
def test_seconds_refused(value):
    with pytest.raises(ConfigError, match=r"max_trial_duration: a duration is more than 0 seconds, .* such as 30s"):
        seconds(value, "max_trial_duration")
    if value is not None:
        with pytest.raises(ConfigError, match="max_trial_duration: a duration"):
            good(max_trial_duration=value).check()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trial_concurrency": None}, "trial_concurrency: a whole number at least 1 is needed, not None"),
        ({"trial_concurrency": 0}, "trial_concurrency: a whole number at least 1 is needed, not 0"),
        ({"trial_concurrency": "2"}, "trial_concurrency: a whole number at least 1 is needed, not '2'"),
        ({"trial_concurrency": 1.5}, "trial_concurrency: a whole number at least 1 is needed, not 1.5"),
        ({"trial_concurrency": True}, "trial_concurrency: a whole number at least 1 is needed, not True"),
        ({"max_trial_number": 0}, "max_trial_number: a whole number at least 1 is needed, not 0"),
        ({"trial_gpu_number": -1}, "trial_gpu_number: a whole number at least 0 is needed, not -1"),
        ({"trial_command": None}, "trial_command: text is needed, not None"),
        ({"trial_command": " "}, "trial_command: text is needed, not ' '"),
        ({"experiment_name": 3}, "experiment_name: text is needed, not 3"),
        ({"trial_code_directory": "/none"}, "trial_code_directory: a folder that exists is needed, not '/none'"),
        ({"trial_code_directory": 3}, "trial_code_directory: text is needed, not 3"),
        ({"debug": "yes"}, "debug: true or false is needed, not 'yes'"),
        ({"log_level": "warn"}, "log_level: 'warn' is not known; did you mean warning"),
        ({"search_space": None}, "exactly one of search_space and search_space_file is needed; neither is"),
        ({"search_space_file": "x.json"}, "exactly one of search_space and search_space_file is needed; both are"),
        ({"search_space": [1]}, "search_space: an object of JSON values is needed, not [1]"),
        ({"search_space": {1: {}}}, "search_space: an object of JSON values is needed, not {1: {}}"),
        ({"tuner": "TPE"}, "tuner: an object of keys is needed, not 'TPE'"),
        ({"tuner": None}, "tuner: either name or class_name is needed; neither is there"),
        ({"tuner": {"name": "TPE", "class_name": "a.B"}}, "tuner: either name or class_name is needed; both are there"),
        ({"tuner": {"name": "TPE", "code_directory": "."}}, "tuner.code_directory: it goes with class_name"),
        ({"tuner": {"name": "TPE", "class_args": {"a": {1}}}}, "tuner.class_args: an object of JSON values is needed"),
        ({"tuner": {"name": "TPF"}}, "tuner.name: 'TPF' is not known; did you mean TPE"),
        ({"assessor": {"name": "ASHA", "class_args": {"eta": 1}}}, "assessor.class_args.eta: a whole number"),
        ({"training_service": "local"}, "training_service: an object of keys is needed, not 'local'"),
        (
            {"training_service": {"use_active_gpu": 1}},
            "training_service.use_active_gpu: true or false is needed, not 1",
        ),
        ({"training_service": {"max_trial_number_per_gpu": 0}}, "training_service.max_trial_number_per_gpu: a whole"),
        ({"training_service": {"max_trial_number_per_gpu": 2}}, "it has no effect without trial_gpu_number > 0"),
        (
            {"training_service": {"gpu_indices": [0, 0]}},
            "training_service.gpu_indices: numbers of GPUs, from 0 and each",
        ),
        ({"training_service": {"gpu_indices": "0,a"}}, "each once, are needed, not '0,a'"),
        ({"training_service": {"gpu_indices": -1}}, "each once, are needed, not -1"),
        ({"training_service": {"gpu_indices": []}}, "each once, are needed, not []"),
    ],
)
def test_refused_values(values, message):
    good().check()
    with pytest.raises(ConfigError) as caught:
        good(**values).check()
    assert message in str(caught.value)


def test_platform_set_in_python():
    config = good()
    config.training_service.platform = "kubeflow"
    with pytest.raises(ConfigError, match=r"training_service.platform: the platform kubeflow of NNI .* there is local"):
        config.check()


def test_use_active_gpu():
    config = good(trial_gpu_number=1, training_service={"max_trial_number_per_gpu": 2})
    with pytest.raises(ConfigError, match=r"^training_service.use_active_gpu: .* needed where trial_gpu_number > 0"):
        config.check()
    config.training_service.use_active_gpu = False
    config.check()
    good(trial_gpu_number=0).check()


@pytest.mark.parametrize(("given", "gpus"), [(None, None), (3, [3]), ("0, 2", [0, 2]), ([1], [1])])
def test_gpus(given, gpus):
    config = good(training_service={"gpu_indices": given})
    config.check()
    assert config.training_service.gpus == gpus


def test_modes_agree():
    assessor = {"name": "Medianstop", "class_args": {"optimize_mode": "minimize"}}
    with pytest.raises(ConfigError, match=r"assessor.class_args.optimize_mode: maximize is needed, .* not minimize"):
        good(assessor=assessor).check()
    good(assessor=assessor, tuner={"name": "GP", "class_args": {"optimize_mode": "minimize"}}).check()
