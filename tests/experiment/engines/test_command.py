import math
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from commands import report, run, until_ended, wait_for

from fastcifar.experiment.engines.base import Ended, Needs, Report, Trial
from fastcifar.experiment.engines.command.attempts import latest
from fastcifar.experiment.engines.command.engine import CommandEngine
from fastcifar.experiment.engines.command.report_file import LINES

PYTHON = shlex.quote(sys.executable)


def test_an_unmodified_nni_script_runs(make, trial, code):
    script = """
    import nni, sys
    from nni.utils import merge_parameter
    params = merge_parameter({"lr": 1, "momentum": 0.9}, nni.get_next_parameter())
    nni.report_intermediate_result(params["lr"])
    nni.report_intermediate_result(float("nan"))
    nni.report_final_result({"default": params["lr"] * 2, "seed": nni.get_sequence_id(), "id": nni.get_trial_id()})
    nni.report_intermediate_result(9)
    print("out"); print("err", file=sys.stderr)
    """
    (code / "trial.py").write_text("if True:" + script)
    first, second, ended = run(make(f"{PYTHON} trial.py"), trial(3, lr=0.5))
    assert first == Report(number=3, value=0.5)
    assert isinstance(second, Report) and math.isnan(second.value)
    assert ended == Ended(number=3, value=1.0, metrics={"seed": 3, "id": "exp-3"})
    assert (trial(3).folder / "stdout").read_text() == "out\n"
    assert (trial(3).folder / "stderr").read_text().endswith("is ignored\nerr\n")


def test_nni_of_this_package_is_not_importable_elsewhere():
    script = "import importlib.util as u; s = u.find_spec('nni'); exit(s is not None and 'nni/path' in str(s.origin))"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def test_the_environment_and_the_working_directory(make, trial, code, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setenv("NNI_EXP_ID", "of an outer experiment")
    engine = make("pwd; env")
    one = replace(trial(5), needs=Needs(threads=3, gpus=0))
    run(engine, one)
    where, *lines = (one.folder / "stdout").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    expected = {
        "NNI_PLATFORM": "local",
        "NNI_EXP_ID": "exp",
        "NNI_TRIAL_JOB_ID": "exp-5",
        "NNI_TRIAL_SEQ_ID": "5",
        "NNI_CODE_DIR": str(code),
        "NNI_OUTPUT_DIR": str(one.folder / "output"),
        "NNI_SYS_DIR": str(one.folder),
        "FASTCIFAR_SEED": "16",
        "CUDA_VISIBLE_DEVICES": "-1",
        "OMP_NUM_THREADS": "3",
    }
    assert {name: variables.get(name) for name in expected} == expected
    assert where == str(code)
    shim, package, mine = variables["PYTHONPATH"].split(":")
    assert (Path(shim) / "nni").is_dir() and (Path(package) / "fastcifar").is_dir() and mine == "/mine"
    assert (one.folder / "output").is_dir()


def test_a_report_arrives_while_the_trial_runs(make, trial, code):
    engine = make(f"{report('intermediate', 1)}; {report('intermediate', 'x')}; until [ -e on ]; do sleep 0.02; done")
    engine.start(trial())
    reports = []
    wait_for(lambda: reports.extend(engine.events(0.1)) or len(reports) == 2)
    assert reports[0] == Report(number=0, value=1.0) and math.isnan(reports[1].value)
    assert engine.events(0) == []
    (code / "on").touch()
    assert until_ended(engine) == [Ended(number=0, message="the command ended without a result")]


def test_trials_run_beside_each_other(make, trial, code):
    engine = make(f"touch $NNI_TRIAL_SEQ_ID; until [ -e 0 -a -e 1 ]; do sleep 0.02; done; {report('final', 1)}")
    engine.start(trial(0))
    engine.start(trial(1))
    assert {event.number for event in until_ended(engine, 2) if event.value == 1} == {0, 1}


@pytest.mark.parametrize(
    "command, message",
    [
        ("true", "the command ended without a result"),
        ("printf 'a\\n the reason\\n\\n' >&2; exit 3", "the command ended with exit code 3 and no result: the reason"),
        ("exit 3", "the command ended with exit code 3 and no result"),
        ("kill -9 $$", "the command ended with signal 9 (Killed) and no result"),
        (report("final", math.nan), "the result is nan"),
        (report("final", {"default": -math.inf}), "the result is -inf"),
        (report("final", "good"), "a result is a number or a dict with a number under 'default', not 'good'"),
        ("rm -r $NNI_SYS_DIR; exit 3", "the command ended with exit code 3 and no result"),
    ],
)
def test_failures_say_why(make, trial, command, message):
    assert run(make(command), trial()) == [Ended(number=0, message=message)]


def test_a_result_counts_also_where_the_command_fails_after_it(make, trial):
    command = f"{report('final', 1)}; echo 'no clean end' >&2; exit 3"
    (ended,) = run(make(command), trial())
    message = "the command ended with exit code 3 after its result: no clean end"
    assert ended == Ended(number=0, value=1.0, message=message)
    (ended,) = run(make(f"{report('final', {'default': 2, 'f': 3})}; sleep 60", limit=0.3), trial(1))
    message = "the trial took longer than its limit of 0.3 s after its result"
    assert ended == Ended(number=1, value=2.0, metrics={"f": 3}, message=message)


def test_commands_run_in_bash_as_in_nni(make, trial, code):
    (code / "settings").write_text("value=7\n")
    command = "source ./settings && [[ $value == 7* ]] && { echo x &> both; } && set -o pipefail && "
    command += 'echo "{\\"type\\": \\"final\\", \\"value\\": $value}" >> $NNI_SYS_DIR/reports.jsonl; false | true'
    (ended,) = run(make(command), trial())
    assert ended == Ended(number=0, value=7.0, message="the command ended with exit code 1 after its result")
    assert (code / "both").read_text() == "x\n"


def test_without_bash_commands_run_in_sh_which_is_told_once(make, trial, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("fastcifar.experiment.engines.command.engine.shutil.which", lambda name: None)
    engine = make(report("final", 1))
    assert [run(engine, trial(number))[0].value for number in range(2)] == [1, 1]
    assert capsys.readouterr().err == "fastcifar: there is no bash on the PATH; trial commands run in /bin/sh\n"


def test_a_trial_may_be_quick_to_remove_its_folder(make, trial, monkeypatch):
    def late(path, leader):
        while path.parent.exists():
            time.sleep(0.01)
        path.write_text(f"{leader} 1\n")

    monkeypatch.setattr("fastcifar.experiment.engines.command.process.record", late)
    (ended,) = run(make("rm -r $NNI_SYS_DIR; exit 3"), trial())
    assert ended.message == "the command ended with exit code 3 and no result"


def test_a_command_that_does_not_exist_fails_with_the_words_of_the_shell(make, trial):
    (ended,) = run(make("no-such-command-here --x"), trial())
    assert ended.value is None
    assert "exit code 127" in ended.message and "no-such-command-here: command not found" in ended.message


def test_the_first_final_result_counts(make, trial):
    lines = [report("intermediate", 1), report("final", 2), report("final", 3), report("intermediate", 4)]
    assert run(make("; ".join(lines)), trial()) == [Report(number=0, value=1), Ended(number=0, value=2)]


def test_a_line_is_read_once_it_is_whole(make, trial, code):
    start, end = '{"type": "intermediate",', ' "value": 7}\\n{"type": "final", "value": 8}'
    file = "$NNI_SYS_DIR/reports.jsonl"
    engine = make(f"printf '{start}' > {file}; until [ -e on ]; do sleep 0.02; done; printf '{end}' >> {file}")
    engine.start(trial())
    wait_for((trial().folder / "reports.jsonl").exists)
    assert engine.events(0.1) == []
    (code / "on").touch()
    assert until_ended(engine) == [Report(number=0, value=7), Ended(number=0, value=8)]


def test_what_is_no_report_is_an_intermediate_one_without_a_number(make, trial):
    engine = make(f"printf 'words\\n[1]\\n\\n\\377\\n' > $NNI_SYS_DIR/reports.jsonl; {report('final', 1)}")
    *reports, ended = run(engine, trial())
    assert len(reports) == 3 and all(math.isnan(event.value) for event in reports)
    assert ended.value == 1


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (["final 0.9"], "line 1: {needed}final 0.9"),
        (
            ['{"type": "intermediate", "value": 1}', "", '{"type": "end", "value": 2}', "x"],
            'line 3: {needed}{"type": "end",',
        ),
        (['{"value": 0.9}'], 'line 1: {needed}{"value": 0.9}'),
        (['{"type": "final"}'], 'line 1: {needed}{"type": "final"}'),
        (["[" * 100_000], "line 1: {needed}" + "[" * 80 + "..."),
    ],
)
def test_what_is_wrong_in_a_report_is_said_where_there_is_no_result(make, trial, code, lines, wrong):
    (code / "reports").write_text("\n".join(lines))
    *_, ended = run(make("cp reports $NNI_SYS_DIR/reports.jsonl"), trial())
    needed = '{"type": "intermediate" or "final", "value": x} is needed, not '
    expected = "the command ended without a result; reports.jsonl, " + wrong.replace("{needed}", needed)
    assert ended.message.startswith(expected)


def test_reports_without_end_end_the_trial(make, trial):
    (*_, ended) = run(make("yes > $NNI_SYS_DIR/reports.jsonl"), trial())
    assert ended == Ended(number=0, message="reports.jsonl: more than 67,108,864 bytes of reports")
    (ended,) = run(make("head -c 2000000 /dev/zero > $NNI_SYS_DIR/reports.jsonl; sleep 60"), trial(1))
    assert ended == Ended(number=1, message="reports.jsonl, line 1: longer than 1,048,576 bytes")


def test_many_reports_just_before_the_end_all_arrive(make, trial):
    count = 3 * LINES
    line = report("intermediate", 1).partition(" >>")[0].removeprefix("echo ")
    *reports, ended = run(
        make(f"yes {line} | head -n {count} > $NNI_SYS_DIR/reports.jsonl; {report('final', 2)}"), trial()
    )
    assert len(reports) == count and ended.value == 2


def test_an_earlier_attempt_leaves_nothing_in_the_folder(make, trial):
    one = trial()
    (one.folder / "output" / "deep").mkdir(parents=True)
    (one.folder / "output" / "deep" / "file").touch()
    (one.folder / "reports.jsonl").write_text('{"type": "final", "value": 1}\n')
    assert run(make("ls $NNI_OUTPUT_DIR"), one) == [Ended(number=0, message="the command ended without a result")]
    assert [path.name for path in one.folder.parent.iterdir()] == ["0.2"]
    assert (latest(one.folder) / "stdout").read_text() == ""


def test_a_folder_outside_the_output_folder_is_refused(make, trial, tmp_path):
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "file").touch()
    with pytest.raises(ValueError, match=r"precious is not under the output folder"):
        make("true").start(Trial(number=0, experiment="exp", params={}, seed=0, folder=outside))
    assert (outside / "file").exists()


def test_a_folder_that_cannot_be_made_is_a_failure(make, trial, tmp_path):
    (tmp_path / "out").write_text("a file")
    (ended,) = run(make("true"), trial())
    assert ended.value is None and "could not be started" in ended.message


def test_the_code_directory_must_exist(tmp_path):
    with pytest.raises(ValueError, match="nowhere is no folder"):
        CommandEngine("true", tmp_path / "nowhere", tmp_path)
