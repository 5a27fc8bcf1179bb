"""Configurations in files: NNI's own examples, and what is said of mistakes in them."""

import json

import pytest
from configs import SPACE, good

from fastcifar.nni.config import (
    AlgorithmConfig,
    ConfigError,
    ExperimentConfig,
    LocalConfig,
    load_config,
)
from fastcifar.search.spaces.rules import SpaceError

V2 = """\
search_space:
  features:
    _type: choice
    _value: [ 128, 256, 512, 1024 ]
  lr:
    _type: loguniform
    _value: [ 0.0001, 0.1 ]
  momentum:
    _type: uniform
    _value: [ 0, 1 ]

trial_command: python model.py
trial_code_directory: .

trial_concurrency: 2
max_trial_number: 10

tuner:
  name: TPE
  class_args:
    optimize_mode: maximize

training_service:
  platform: local
"""

V1 = """\
authorName: default
experimentName: example_mnist
trialConcurrency: 1
maxExecDuration: 1h
maxTrialNum: 10
trainingServicePlatform: local
# 搜索空间文件
searchSpacePath: search_space.json
useAnnotation: false
tuner:
  builtinTunerName: TPE
# 运行的命令
trial:
  command: python3 mnist.py
  codeDir: .
  gpuNum: 0
"""

V1_AS_V2 = """\
experiment_name: example_mnist
trial_concurrency: 1
max_experiment_duration: 1h
max_trial_number: 10
training_service:
  platform: local
search_space_file: search_space.json
tuner:
  name: TPE
trial_command: python3 mnist.py
trial_code_directory: .
trial_gpu_number: 0
"""


@pytest.fixture
def write(tmp_path):
    """Write a file beside the others; return its path."""
    (tmp_path / "search_space.json").write_text(json.dumps(SPACE))

    def write(text, name="config.yml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_tutorial(write, tmp_path):
    config = load_config(write(V2))
    assert config == ExperimentConfig(
        search_space=SPACE,
        trial_command="python model.py",
        trial_code_directory=str(tmp_path),
        trial_concurrency=2,
        max_trial_number=10,
        tuner=AlgorithmConfig(name="TPE", class_args={"optimize_mode": "maximize"}),
        training_service=LocalConfig(),
    )
    config.check()


def test_version_1(write, capsys):
    old = load_config(write(V1, "old.yml"))
    assert old == load_config(write(V1_AS_V2))
    assert old.trial_gpu_number == 0 and old.max_experiment_duration == "1h"
    assert [line.partition("old.yml: ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "authorName has no effect here"
    ]
    old.check()


def test_what_has_no_effect_is_told(write, capsys):
    config = load_config(write(V1 + "logLevel: debug\ndebug: true\nversionCheck: false\n"))
    assert (config.log_level, config.debug) == ("debug", True)
    told = [line.partition(".yml: ")[2].split()[0] for line in capsys.readouterr().err.splitlines()]
    assert told == ["authorName", "versionCheck", "log_level", "debug"]


def test_version_1_in_full(write, tmp_path, capsys):
    (tmp_path / "code").mkdir()
    text = V1.replace("  builtinTunerName: TPE\n", "  codeDir: code\n  classFileName: mine.py\n  className: Mine\n")
    text += "localConfig: {maxTrialNumPerGpu: 2, useActiveGpu: true, gpuIndices: '0,1'}\n"
    text += "logDir: logs\nmultiPhase: false\n"
    text += (
        "assessor: {builtinAssessorName: Medianstop, classArgs: {start_step: 3}, includeIntermediateResults: true}\n"
    )
    config = load_config(write(text))
    assert config.tuner == AlgorithmConfig(class_name="mine.Mine", code_directory=str(tmp_path / "code"))
    assert config.assessor == AlgorithmConfig(name="Medianstop", class_args={"start_step": 3})
    assert config.training_service == LocalConfig(use_active_gpu=True, max_trial_number_per_gpu=2, gpu_indices="0,1")
    assert config.experiment_working_directory == str(tmp_path / "logs")
    assert "assessor.includeIntermediateResults has no effect" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("useAnnotation: false", "useAnnotation: true"), "useAnnotation: true is not possible"),
        (("useAnnotation: false", "multiPhase: true"), "multiPhase: true is not possible"),
        (("Platform: local", "Platform: pai\npaiConfig: {}"), "trainingServicePlatform: the platform pai of NNI"),
        (("codeDir: .", "codeDirs: ."), "trial.codeDirs: the key is not known; did you mean codeDir"),
        (("maxTrialNum:", "maxTrials:"), "maxTrials: the key is not known; did you mean maxTrialNum"),
        (("builtinTunerName: TPE", "className: Mine"), "tuner.classFileName: a .py file and className are needed"),
        (("trialConcurrency: 1", "advisor: {builtinAdvisorName: Hyperband}"), "either tuner or advisor"),
    ],
)
def test_version_1_refused(write, change, message):
    path = write(V1.replace(*change))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)


def test_advisor_is_a_tuner(write):
    text = "advisor: {name: Hyperband}\nuse_annotation: false\nexperiment_type: hpo\n"
    assert load_config(write(text)).tuner.name == "Hyperband"
    old = V1.replace("tuner:\n  builtinTunerName: TPE", "advisor:\n  builtinAdvisorName: Hyperband")
    assert load_config(write(old)).tuner.name == "Hyperband"


def test_keys_without_case_and_underscores(write):
    words = (
        "search_space trial_command trial_code_directory trial_concurrency max_trial_number class_args training_service"
    )
    text = V2
    for word in words.split():
        first, *others = word.split("_")
        text = text.replace(f"{word}:", first + "".join(part.title() for part in others) + ":")
    assert "trialConcurrency: 2" in text and "    classArgs" not in text and "  classArgs" in text
    text = text.replace("platform:", "PLATFORM:")
    assert load_config(write(text)) == load_config(write(V2, "other.yml"))
    config = load_config(write("search_space: {lr_max: {_type: a}, lrMax: 1}\ntuner: {class_args: {A_b: 1, ab: 2}}"))
    assert list(config.search_space) == ["lr_max", "lrMax"] and list(config.tuner.class_args) == ["A_b", "ab"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_trials: 3", "max_trials: the key is not known; did you mean max_trial"),
        ("tuner: {nam: TPE}", "tuner.nam: the key is not known; did you mean name"),
        ("training_service: {gpu: 1}", "training_service.gpu: the key is not known; "),
        ("training_service: {machine_list: [], platform: remote}", "training_service.platform: the platform remote"),
        ("training_service: {platform: lokal}", "training_service.platform: 'lokal' is not known; did you mean local"),
        ("trialConcurrency: 1\ntrial_concurrency: 1", "trial_concurrency: the key occurs twice"),
        ("use_annotation: true", "use_annotation: true is not possible"),
        ("experiment_type: nas", "experiment_type: hpo is needed, not 'nas'"),
        ("tuner: {name: TPE}\nadvisor: {name: BOHB}", "either tuner or advisor is needed"),
        ("[1, 2]", "an object of keys is needed, not [1, 2]"),
        ("", "an object of keys is needed, not None"),
        ("source: x", "source: the key is not known"),
    ],
)
def test_refused_keys(write, text, message):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not YAML"),
        ("trial_command: x\n\ttuner: y\n", 2, "not YAML"),
        ("debug: true\ntuner: {}\ndebug: false\n", 3, "the key 'debug' occurs twice"),
        ("search_space:\n  x: 1\n  y: 2\n  x: 3\n", 4, "the key 'x' occurs twice"),
        ("tuner: !!python/object:os.system {}\n", 1, "could not determine a constructor"),
        ("? [1]\n: 2\n", 1, "unhashable"),
    ],
)
def test_malformed(write, text, line, message):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}, line {line}: ") and message in str(caught.value)


def test_unreadable(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yml cannot be read: No such file"):
        load_config(tmp_path / "none.yml")
    (tmp_path / "latin.yml").write_bytes(b"a: \xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yml: not UTF-8"):
        load_config(tmp_path / "latin.yml")


def test_numbers_of_yaml(write):
    """PyYAML by itself reads 1e-4 as text."""
    config = load_config(write("search_space: {x: [1e-4, -2E+3, .5e1, 1.5e-3, 1e4x, 12, '1e-4', e4]}"))
    assert config.search_space["x"] == [1e-4, -2000.0, 5.0, 1.5e-3, "1e4x", 12, "1e-4", "e4"]


def test_merge_keys_are_not_double(write):
    """Also where a mapping that merges is merged itself before it is reached."""
    config = load_config(
        write("search_space:\n  z: &z {p: 0, q: 2}\n  deep: {er: &a {<<: *z, p: 1}}\n  b: {<<: *a, p: 3}\n")
    )
    assert config.search_space["b"] == {"p": 3, "q": 2} and config.search_space["deep"]["er"] == {"p": 1, "q": 2}


def test_relative_paths(write, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    text = "search_space_file: ../search_space.json\nexperimentWorkingDirectory: /there\ntuner: {class_name: a.B}\n"
    text += "assessor: {class_name: a.B, code_directory: ~/mine}\n"
    monkeypatch.setenv("HOME", "/home/me")
    config = load_config(write(text, "inner/config.yml"))
    assert config.search_space_file == str(tmp_path / "search_space.json")
    assert config.trial_code_directory == config.tuner.code_directory == str(tmp_path / "inner")
    assert config.experiment_working_directory == "/there"
    assert config.assessor.code_directory == "/home/me/mine"
    assert load_config(write(V2)).tuner.code_directory is None


def test_paths_of_a_linked_file_are_against_the_folder_of_the_link(write, tmp_path):
    """As in NNI."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "config.yml").symlink_to(write("search_space_file: search_space.json", "elsewhere/config.yml"))
    config = load_config(tmp_path / "config.yml")
    assert config.search_space_file == str(tmp_path / "search_space.json")
    assert config.trial_code_directory == str(tmp_path)


def test_errors_name_the_file(write):
    path = write(V2.replace("trial_concurrency: 2", "trial_concurrency: two"))
    with pytest.raises(ConfigError, match=f"^{path}: trial_concurrency: .* not 'two'$"):
        load_config(path).check()
    path = write(V2.replace("[ 0, 1 ]", "[ 1, 0 ]"))
    with pytest.raises(SpaceError, match=f"^{path}: search_space: momentum: low < high"):
        load_config(path).check()
    path = write(V1.replace("maxTrialNum: 10", "maxTrialNum: 0"))
    with pytest.raises(ConfigError, match=r"config\.yml \(as version 2\): max_trial_number: "):
        load_config(path).check()


@pytest.mark.parametrize("name", ["space.json", "space.yaml", "space.txt"])
def test_search_space_files(write, name):
    text = (
        "lr: {_type: loguniform, _value: [1e-4, 1]}"
        if name.endswith("yaml")
        else '\t{"lr": {"_type": "loguniform", "_value": [1e-4, 1]}}'
    )
    config = good(search_space=None, search_space_file=write(text, name))
    config.check()
    assert config.load_search_space() == {"lr": {"_type": "loguniform", "_value": [0.0001, 1]}}
    write(text.replace("[1e-4", "[2"), name)
    with pytest.raises(SpaceError, match=f"{name}: lr: low < high"):
        config.check()


def test_round_trip(write):
    config = load_config(write(V1))
    config.tuner.class_args = {"tpe_args": {"n_startup_jobs": 5}}
    config.training_service.gpu_indices = [0, 1]
    document = json.loads(json.dumps(config.to_dict()))
    again = ExperimentConfig.from_dict(document)
    assert again == config and again.to_dict() == document
    assert document["trial_gpu_number"] == 0 and document["tuner"]["name"] == "TPE" and "source" not in document
