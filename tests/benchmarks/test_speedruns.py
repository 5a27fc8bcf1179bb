import json
import sys
from types import SimpleNamespace

import pytest
import speedrun
import techniques
import torch

from fastcifar.train import Recipe, named_recipe


def row(**values):
    common = {"device": "a CPU", "threads": 2, "fingerprint": "0" * 64, "canonical": False, "torch": "2", "images": 10}
    return {**common, "versions": {"torch": "2"}, "tta_seconds": 10.0, **values}


def test_the_table_of_speedruns():
    rows = [
        row(contender=name, seed=seed, accuracy=accuracy, tta_accuracy=accuracy + 0.01, seconds=seconds)
        for seed in (1, 2, 3)
        for name, accuracy, seconds in (("theirs", 0.88 + seed / 1000, 390.0), ("ours", 0.885 + seed / 1000, 190.0))
    ]
    text = speedrun.report(rows, "theirs", "cpu")
    assert "| ours | 000000000000, canonical: false | 3 | 88.70, sd 0.10 | 89.70, sd 0.10 | 190.00, sd 0.00 |" in text
    assert "| 200.00, sd 0.00 |" in text
    assert "ours (n 3): +0.50 points over the views, 95 % interval +0.50 to +0.50: not inferior by 0.2 points" in text
    assert "in 0.50 of its time, views included (0.50 to 0.50): at most 0.5." in text
    assert "not inferior by 0.1 points; in 0.50 of its time" in speedrun.report(rows, "theirs", "cuda")
    slower = [{**r, "seconds": r["seconds"] + 10 * (r["contender"] == "ours")} for r in rows]
    assert "not shown to be at most 0.5." in speedrun.report(slower, "theirs", "cpu")
    others = [{**r, "fingerprint": ("1" if r["contender"] == "ours" else "0") * 64} for r in rows]
    assert "points over the views" not in speedrun.report(others, "theirs", "cpu")
    counted = [{**r, "flops": 19e15, "times": {"train": 190.0}, "product_rate": 4e14} for r in rows]
    assert "ours computes 19.000 PFLOP in its training, at 100.00 TFLOP/s: 0.25 of" in speedrun.report(
        counted, "theirs", "cpu"
    )
    worse = [
        {**r, "tta_accuracy": r["tta_accuracy"] - (0.004 + r["seed"] / 1000 if r["contender"] == "ours" else 0)}
        for r in rows
    ]
    assert "not shown to be within" in speedrun.report(worse, "theirs", "cpu")


def test_the_table_before_the_other_program_has_run():
    first = row(contender="ours", seed=1, accuracy=0.885, tta_accuracy=0.895, seconds=190.0)
    text = speedrun.report([first], "theirs", "cpu")
    assert "| ours | 000000000000, canonical: false | 1 | 88.50 | 89.50 | 190.00 | 200.00 |" in text


def test_runs_of_another_machine_are_not_added_to(tmp_path):
    machine = {"device": "a CPU", "threads": 2, "versions": {"torch": "2"}}
    path = tmp_path / "speedrun-cpu.jsonl"
    assert speedrun.kept_rows(path, machine, lambda name: "0" * 64) == []
    path.write_text(json.dumps(row(contender="theirs", seed=1)) + "\n")
    assert len(speedrun.kept_rows(path, machine, lambda name: "0" * 64)) == 1
    with pytest.raises(ValueError, match="on other images"):
        speedrun.kept_rows(path, machine, lambda name: "1" * 64)
    for other in ({"device": "another"}, {"threads": 4}, {"versions": {"torch": "3"}}):
        with pytest.raises(ValueError, match="has runs with"):
            speedrun.kept_rows(path, {**machine, **other}, lambda name: "0" * 64)


def test_every_technique_of_a_recipe_can_be_switched_off():
    found = techniques.variants(named_recipe("speedrun94-cpu"))
    assert next(iter(found)) == techniques.WHOLE and len({*found.values()}) == len(found) == 15
    assert "averaging" not in found  # this recipe has none
    assert "averaging" in techniques.variants(named_recipe("speedrun95"))


def test_techniques_go_on_where_they_were_stopped(tmp_path, monkeypatch, capsys):
    """With runs of a made-up recipe; and refuse runs of another machine."""
    made = []
    recipe = named_recipe("speedrun94-cpu").to_dict()
    machine = techniques.provenance(torch.device("cpu"))
    here = {"device": machine["device"], "threads": machine["threads"], "torch": machine["versions"]["torch"]}

    def run(recipe, seed, device, data_dir):
        made.append(seed)
        values = {"accuracy": 0.9, "tta_accuracy": 0.9, "seconds": 1.0, "recipe": recipe.to_dict(), "images": 10}
        return {**row(**values), **here, "fingerprint": "0" * 64}

    monkeypatch.setattr(techniques, "RESULTS", tmp_path)
    monkeypatch.setattr(techniques, "run", run)
    monkeypatch.setattr(techniques, "load", lambda *arguments: SimpleNamespace(fingerprint="0" * 64))
    monkeypatch.setattr(sys, "argv", ["techniques.py", "--runs", "3", "--device", "cpu"])
    techniques.main()
    everything = len(made)
    path = tmp_path / "techniques-cpu.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    assert everything == len(lines) == 3 * len(techniques.variants(Recipe.from_dict(recipe)))
    path.write_text("".join(lines[:-2]))
    techniques.main()
    assert len(made) == everything + 2
    here["threads"] += 1
    path.write_text("".join(lines[:-2]))
    monkeypatch.setattr(techniques, "provenance", lambda device: {**machine, "threads": here["threads"]})
    with pytest.raises(SystemExit):
        techniques.main()
    assert "has runs of another recipe or machine" in capsys.readouterr().err


def test_the_table_of_techniques():
    rows = [
        row(technique=name, seed=seed, accuracy=a, tta_accuracy=a + 0.01, seconds=s)
        for seed in range(3)
        for name, a, s in ((techniques.WHOLE, 0.9, 100.0), ("whitening", 0.88 + seed / 1000, 80.0))
    ]
    text = techniques.report(rows, "mine")
    assert "| whitening | 3 | +1.90 | " in text and "| +25 % | +25 to +25 % |" in text
    assert "| the views at test time | 3 | +1.00 |" in text and "| +10 % |" in text
