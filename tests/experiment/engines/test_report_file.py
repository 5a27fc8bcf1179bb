"""What is read of a trial's reports, and how much."""

import json
import math
import os

import pytest

from fastcifar.experiment.engines.command import report_file as reports
from fastcifar.experiment.engines.command.report_file import Reports


def line(value, kind="intermediate"):
    return json.dumps({"type": kind, "value": value}) + "\n"


def all_of(found):
    """Everything that is there, in as many reads as it takes."""
    values = found.read(ended=True)
    while found.more:
        values += found.read(ended=True)
    return values


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reports.jsonl"


def test_reports_are_read_in_pieces(path):
    count = 2 * reports.LINES + 5
    path.write_text("".join(map(line, range(count))) + line(0.5, "final") + line(7))
    found = Reports(path)
    assert found.read() == list(range(reports.LINES)) and found.more
    assert all_of(found) == list(range(reports.LINES, count))
    assert found.final() == (0.5, {}) and not found.excess


def test_lines_that_lie_across_pieces(path, monkeypatch):
    monkeypatch.setattr(reports, "LINE_BYTES", 100)
    lines = [line(number) + "\n" * (number % 3) for number in range(50)]
    path.write_text("".join(lines) + line(50).rstrip())
    found, values = Reports(path), []
    for _ in range(40):
        values += found.read()
    assert values == list(range(50)) and not found.more  # the last line may go on
    assert all_of(found) == [50] and not found.excess


def test_a_line_that_is_too_long(path, monkeypatch):
    monkeypatch.setattr(reports, "LINE_BYTES", 100)
    path.write_text(line(1) + line("x" * 100))
    found = Reports(path)
    assert found.read() == [1]
    assert found.read() == [] and found.excess == "reports.jsonl, line 2: longer than 100 bytes"
    assert found.read(ended=True) == [] and not found.more


def test_the_longest_line(path, monkeypatch):
    monkeypatch.setattr(reports, "LINE_BYTES", 100)
    longest = line("x" * (100 - len(line(""))))
    path.write_text(longest + longest.rstrip())
    found = Reports(path)
    assert len(longest) == 100 and all(map(math.isnan, all_of(found))) and not found.excess


def test_a_file_that_is_too_large(path):
    with path.open("w") as file:
        file.write(line(1))
        file.truncate(reports.FILE_BYTES + 1)
    found = Reports(path)
    assert found.read() == [] and found.excess == "reports.jsonl: more than 67,108,864 bytes of reports"


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_not_read(path, kind):
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    found = Reports(path)
    assert found.read() == [] and found.excess == "reports.jsonl is no regular file"


def test_a_file_that_is_not_there_yet(path):
    found = Reports(path)
    assert found.read() == [] and not found.more
    path.write_text(line(1)[:10])
    assert found.read() == []
    path.write_text(line(1))
    assert found.read() == [1]
