import json
import sys
from pathlib import Path

import notes
import pytest

from fastcifar.data import Dataset
from fastcifar.train import Recipe


def test_the_notes_tables_are_whole() -> None:
    # The closing lines of the notes, and their last accuracies.
    closing = {name: (table["seconds"], table["valid_acc"][-1]) for name, table in notes.TABLES.items()}
    assert closing == {
        "resnet9": (82.75, 0.9380),
        "resnet9-384": (74.43, 0.9372),
        "resnet9-cifar100": (82.91, 0.7582),
        "resnet9-384-cifar100": (74.43, 0.7446),
        "resnet9-extra": (93.03, 0.7402),
    }
    for table in notes.TABLES.values():
        assert round(sum(table["epoch_time"]), 2) == table["seconds"]
        assert len(table["valid_acc"]) == len(table["train_loss"]) == len(table["epoch_time"]) == 24


def test_rows_in_full_and_shortened() -> None:
    full, quick = notes.experiments(False), notes.experiments(True)
    assert [(e.part, e.name, e.accuracy, e.seconds, e.epoch_seconds) for e in full] == [
        (e.part, e.name, e.accuracy, e.seconds, e.epoch_seconds) for e in quick
    ]
    assert len(full) == 5 + 9 + 7 + 3
    assert {e.recipe.total_epoch for e in full if e.part != "precision"} == {24}
    deepest = next(e for e in full if e.name == "4 on each of p, 1, 2, 3")
    assert set(deepest.recipe.extra_layers.values()) == {4} and len(deepest.recipe.extra_layers) == 4


def test_what_is_there_is_not_run_again(
    images: Dataset, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = notes.Experiment(part="depth", name="no extra blocks", recipe=recipe, accuracy=0.9, epoch_seconds=3.0)
    same = notes.Experiment(part="shortcuts", name="none", recipe=recipe, seconds=7.0)
    monkeypatch.setattr(notes, "RESULTS", tmp_path)
    monkeypatch.setattr(notes, "experiments", lambda quick: [one, same])
    monkeypatch.setattr(notes, "find_images", lambda names, data_dir, quick: {"synthetic": images})
    monkeypatch.setattr(sys, "argv", ["notes.py", "--quick", "--device", "cpu"])
    notes.main()
    first = (tmp_path / "notes-cpu-quick.jsonl").read_text()
    (row,) = map(json.loads, first.splitlines())
    assert len(row["valid_acc"]) == 3 and row["canonical"] is False
    table = (tmp_path / "notes-cpu-quick.md").read_text()
    notes.main()
    assert (tmp_path / "notes-cpu-quick.jsonl").read_text() == first
    assert (tmp_path / "notes-cpu-quick.md").read_text() == table
    assert f"| no extra blocks | 1 | {row['parameters']:,} | 90.00% | {row['valid_acc'][-1]:.2%} |" in table
    assert "## Shortcuts" in table
