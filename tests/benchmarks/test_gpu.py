"""The one command for a GPU, on a CPU: its order, its time, how it goes on, what it measures and says."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import gpu
import gpu_images
import gpu_parts
import gpu_report
import numpy as np
import pytest
import speedrun
import torch
from coloured import coloured
from rows import read

from fastcifar.data import synthetic
from fastcifar.train import named_recipe

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
MUON = named_recipe("speedrun94").with_params(
    {"layer1": 8, "layer2": 8, "layer3": 8, "batch_size": 64, "total_epoch": 2, "sizes": {"24": 1}, "precision": "O0"}
)


class Device:
    """Stands for a GPU and its clock: each command takes as long as was said, and ends as was said."""

    def __init__(self, monkeypatch, takes: dict[str, float], **codes: int) -> None:
        self.now, self.takes, self.codes, self.began = 0.0, takes, codes, []
        monkeypatch.setattr(gpu.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(gpu, "run", self.run)

    def run(self, command, seconds, log):
        name = command[0]
        self.began.append(name)
        took = self.takes.get(name, 10.0)
        self.now += min(took, seconds)
        log.write_text(f'a line\n{{"part": "{name}", "n": 1}}\n7\n')
        return None if took > seconds else self.codes.get(name, 0)


def todo(*names: str, most: float = 50.0, least: float = 20.0) -> list[gpu.Part]:
    return [gpu.Part(name=name, command=[name], most=most, least=least) for name in names]


def test_parts_run_in_order_until_the_time_is_up(monkeypatch):
    device, kept = Device(monkeypatch, {"b": 70.0, "d": 30.0}, c=3), []
    gpu.work(todo("a", "b", "c", "d", "e"), [], 125.0, kept.append)
    # a takes 10, b is ended after 50, c 10, d 30; with 5 s kept for the end 20 are left for e
    assert device.began == ["a", "b", "c", "d", "e"] and device.now == 110.0
    assert [row["status"] for row in kept] == ["done", "out of time", "failed (3)", "done", "done"]
    assert kept[0]["found"] == [{"part": "a", "n": 1}] and kept[1]["seconds"] == 50.0
    later = Device(monkeypatch, {}, b=0)
    gpu.work(todo("a", "b", "c", "d", "e"), list(kept), 44.9, kept.append)
    assert later.began == ["b", "c"]  # what is done is left out
    less = Device(monkeypatch, {"b": 40.0})
    gpu.work(todo("a", "b", "c"), [], 60.0, kept.append)
    assert less.began == ["a", "b"] and kept[-1]["status"] == "done"  # c would need 20 s, and 5 are left
    cut = Device(monkeypatch, {"b": 49.0})
    gpu.work(todo("a", "b"), [], 60.0, kept.append)
    assert kept[-1]["status"] == "out of time" and cut.now == 55.0  # what is left counts, not the part's own limit


def test_a_command_is_ended_with_all_that_it_started(tmp_path):
    log = tmp_path / "log"
    assert gpu.run([sys.executable, "-c", "import fastcifar; print(8)"], 60, log) == 0 and log.read_text() == "8\n"
    assert gpu.run([sys.executable, "-c", "raise SystemExit(4)"], 60, log) == 4
    assert gpu.run(["sh", "-c", "echo begun; sleep 60 & sleep 60"], 0.3, log) is None and log.read_text() == "begun\n"


def test_the_whole_command_goes_on_where_it_was_stopped(monkeypatch, tmp_path, capsys):
    ran, allowed = [], []

    def run(command, seconds, log):
        ran.append(command)
        allowed.append(seconds)
        log.write_text(json.dumps({"part": "runs", "recipe": "resnet9", "step": "x", "same": True}) + "\n")
        return 0 if len(ran) != 2 else 1

    earlier = tmp_path / "results"
    earlier.mkdir()
    (earlier / "speedrun-cuda.jsonl").write_text("{}\n")
    monkeypatch.setattr(gpu, "RESULTS", earlier)
    monkeypatch.setattr(gpu, "run", run)
    monkeypatch.setattr(gpu, "images", lambda options, folder: "no images: for times only")
    words = ["--device", "cpu", "--out", str(tmp_path / "out"), "--peer", "FILE"]
    gpu.main([*words, "--only", "tests", "profile", "runs"])
    rows = read(tmp_path / "out" / "gpu.jsonl")
    ends = [(row["name"], row["status"]) for row in rows]
    assert ends == [("tests", "done"), ("profile", "failed (1)"), ("runs", "done")]
    assert (tmp_path / "out" / "speedrun-cuda.jsonl").read_text() == "{}\n"
    assert "| resnet9 | x | the same | |" in (tmp_path / "out" / "gpu.md").read_text()
    capsys.readouterr()
    gpu.main([*words, "--only", "tests", "profile"])
    assert len(ran) == 4 and ran[1] == ran[3] and "tests: done before" in capsys.readouterr().out
    gpu.main([*words, "--only", "speedruns", "--minutes", "10"])  # one alone has all of the time
    assert max(allowed[:4]) <= 150 and 580 < allowed[4] < 600
    with pytest.raises(SystemExit):
        gpu.main([*words, "--only", "nothing"])
    every = gpu.parts(gpu.options_of(words))
    assert [part.name for part in every][:2] == ["tests", "profile"] and every[-1].name == "networks"
    (contest,) = (part for part in every if part.name == "speedruns")
    assert contest.command[2:6] == ["--peer", "FILE", "--runs", "6"]
    assert sum(part.least for part in every) < 660 < sum(part.most for part in every)
    for part in every:  # programs and tests that are there
        for word in part.command[1:]:
            assert not word.endswith(".py") or (ROOT / word).exists(), word


def test_images_out_of_a_file_of_jpeg_bytes(monkeypatch, tmp_path):
    image_of = pytest.importorskip("PIL.Image")
    monkeypatch.setattr(gpu_images, "TRAIN", 50)
    monkeypatch.setattr(gpu_images, "synthetic", lambda: synthetic(10, 50, 10))
    plain = synthetic(10, 50, 10, seed=3)
    wanted = np.concatenate([plain.train.images, plain.test.images])
    pieces = []
    for image in wanted:
        file = io.BytesIO()
        image_of.fromarray(image).save(file, "JPEG", quality=95, subsampling=0)
        pieces.append(file.getvalue())
    same = next(n for n in range(len(pieces[0])) if len({piece[: n + 1] for piece in pieces}) > 1)
    payload = [piece[same:] for piece in pieces]
    np.savez(
        tmp_path / "images.npz",
        header=np.frombuffer(pieces[0][:same], np.uint8),
        payload=np.frombuffer(b"".join(payload), np.uint8),
        offsets=np.cumsum([0, *map(len, payload)]),
        labels=np.concatenate([plain.train.labels, plain.test.labels]).astype(np.uint8),
    )
    images, labels = gpu_images._decoded(tmp_path / "images.npz")
    assert np.abs(images.astype(float) - wanted).mean() < 4 and labels[:50].tolist() == plain.train.labels.tolist()
    written = []
    monkeypatch.setattr(gpu_images, "write_python", lambda dataset, folder: written.append(dataset))
    assert gpu_images.unpack(tmp_path / "images.npz", tmp_path) == "the images of images.npz"
    assert np.array_equal(written[0].test.images, images[50:]) and len(written[0].train.labels) == 50
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    for file in (tmp_path / "broken.npz", tmp_path / "missing.npz", None):
        assert gpu_images.unpack(file, tmp_path).endswith("synthetic images: for times only")
    assert len(written) == 4


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(gpu_parts, "named_recipe", lambda name: MUON)
    for name, value in {"STEPS": 2, "BLOCKS": 1, "REPEATS": 1, "WATCHED": 1}.items():
        monkeypatch.setattr(gpu_parts, name, value)
    return replace(coloured(128, 40), name="cifar10")


def test_a_profile_and_its_pieces(small):
    rows = list(gpu_parts.profiled("mine", "eager", CPU, small))
    kinds = [(row["side"], row["whitening_trained"], row["first"]) for row in rows]
    assert kinds == [(24, True, True), (32, True, False)]
    for row in rows:
        assert row["milliseconds"] > 0 and row["kernels"]["launches"] > 50
        took = [kernel[2] for kernel in row["kernels"]["most"]]
        assert took == sorted(took, reverse=True) and sum(took) <= row["kernels"]["milliseconds"] + 1e-9
    found = {row["piece"]: row["milliseconds"] for row in gpu_parts.pieces("mine", CPU, small)}
    assert min(found.values()) > 0 and {"Muon, plain", "Muon, one batch", "resizing to 24 px, folded"} <= set(found)
    text = gpu_report.report([ended("profile", *({"part": "profile", **row} for row in rows))])
    assert "| mine | eager | 24 | " in text and "Kernels of a step of mine, eager, 24 px:" in text


def test_whole_runs_and_two_that_repeat_themselves(small):
    rows = list(gpu_parts.runs("mine", CPU, small))
    assert [row["step"] for row in rows] == ["eager", "eager, deterministic, twice"] and rows[1]["same"]
    assert rows[0]["status"] == "finished" and rows[0]["seconds"] > 0 and 0 <= rows[0]["accuracy"] <= 1


def ended(name: str, *found: dict, status: str = "done", **more) -> dict:
    machine = {"device": "a GPU", "versions": {"torch": "2"}, "code": "c", "images": "the images of x"}
    return {"name": name, "status": status, "seconds": 1.0, "found": list(found), "tail": "the end", **machine, **more}


def profile_row(step: str, milliseconds: float, first: bool = True) -> dict:
    kernels = {"launches": 100.0, "milliseconds": 3.0, "most": [["gemm", 2.0, 1.5]]}
    about = {"part": "profile", "recipe": "speedrun94", "step": step, "side": 24, "first": first}
    return {**about, "milliseconds": milliseconds, "kernels": kernels, "reserved_bytes": 2**31}


def test_what_it_reports_and_which_lines_change():
    whole = {"part": "runs", "recipe": "resnet9", "step": "captured", "accuracy": 0.94, "seconds": 8.5}
    rows = [
        ended("tests", status="failed (1)"),
        ended("tests"),
        ended("networks", status="failed (2)"),
        ended("profile", profile_row("eager", 4.0), profile_row("captured", 3.0), profile_row("captured", 9.0, False)),
        ended("profile of what is compiled", profile_row("compiled-captured", 2.5)),
        ended("runs", whole, {"part": "runs", "recipe": "resnet9", "step": "captured, twice", "same": False}),
    ]
    text = gpu_report.report(rows)
    assert "| tests | done | 1 | the end |" in text and "| networks | failed (2) |" in text
    assert text.count("The last that") == 1 and "| speedrun94 | captured | 24 | 3.000 | 100 | 3.000 | 2.00 |" in text
    assert "| 1.500 | 2 | `gemm` |" in text and "| resnet9 | captured | 94.00 | 8.50 |" in text
    assert "| resnet9 | captured, twice | not the same | |" in text
    runs = [
        {"contender": name, "tta_accuracy": 0.94 + seed / 100, "seconds": seconds, "tta_seconds": 0.1}
        for seed in (0, 1)
        for name, seconds in (("airbench94_muon", 1.2), ("speedrun94", 0.7))
    ]
    changes = gpu_report.advice(rows, runs)
    for file, old, _ in changes:
        assert (ROOT / file).read_text().count(old) == 1, old
    readme, steps, auto = (new for _, _, new in changes)
    assert "`resnet9`: 94.00 % in 8.5 s (captured)" in readme
    assert "`speedrun94`: 94.50 % over its views in 0.80 s" in readme
    assert "4.00 ms eager, 3.00 ms captured, 2.50 ms compiled-captured" in steps and 'return "captured"' in auto
    assert gpu_report.advice([{**row, "images": "synthetic images: for times only"} for row in rows], runs) == []
    assert gpu_report.advice([ended("tests")], []) == [] == gpu_report.advice([], runs)


def test_what_is_compiled_has_one_process(monkeypatch, tmp_path):
    """Which warms up by itself, and then answers; by a program that stands for it."""
    program = tmp_path / "standin.py"
    program.write_text(
        "import json, sys\nprint(json.dumps('ready'), flush=True)\n"
        "for line in sys.stdin:\n    name, seed = json.loads(line)\n"
        "    print(json.dumps({'contender': name, 'seed': seed, 'words': sys.argv[1:]}), flush=True)\n"
        "    if seed == 3:\n        sys.exit(5)\n"
    )
    monkeypatch.setattr(speedrun, "__file__", str(program))
    options = speedrun.argparse.Namespace(device="cuda", data_dir="D", peers={}, peer=None)
    warmed = []
    monkeypatch.setattr(speedrun, "_warmed", lambda contender, device, data_dir: warmed.append(contender))
    speedrun.warm_up(["a", "b, compiled"], options)
    assert warmed == ["a"]
    words = ["--serve", "b, compiled", "--device", "cuda", "--data-dir", "D"]
    assert options.worker.run("b, compiled", 2) == {"contender": "b, compiled", "seed": 2, "words": words}
    options.worker.run("b, compiled", 3)
    with pytest.raises((SystemExit, BrokenPipeError)):
        options.worker.run("b, compiled", 4)


def test_that_process_warms_up_and_answers(monkeypatch):
    done = []
    monkeypatch.setattr(speedrun, "_warmed", lambda contender, *_: print(done.append(contender)))
    monkeypatch.setattr(speedrun, "here", lambda contender, seed, options: {"contender": contender, "seed": seed})
    monkeypatch.setattr(sys, "stdin", io.StringIO('["a, compiled", 1]\n["a, compiled", 2]\n'))
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    speedrun.serve(["a, compiled"], speedrun.argparse.Namespace(device="cuda", data_dir=None))
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        "ready",
        {"contender": "a, compiled", "seed": 1},
        {"contender": "a, compiled", "seed": 2},
    ]
    assert done == ["a, compiled"]
