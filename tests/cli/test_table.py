import pytest

from fastcifar.cli.table import table

NAMES = ("number", "state", "value", "params")
ROWS = [(0, "finished", 80.123456789, "layer1=64 layer2=128 layer3=256"), (10, "failed", None, "layer1=8")]


def test_a_table_without_a_width_is_not_cut():
    assert table(NAMES, ROWS) == (
        "number  state       value  params\n"
        "     0  finished  80.1235  layer1=64 layer2=128 layer3=256\n"
        "    10  failed          -  layer1=8"
    )
    assert table(NAMES, ROWS, 58) == table(NAMES, ROWS)
    assert table(NAMES, []) == "number  state  value  params"


def test_a_text_that_is_too_long_is_wrapped_at_spaces():
    assert table(NAMES, ROWS, 50) == (
        "number  state       value  params\n"
        "     0  finished  80.1235  layer1=64 layer2=128\n"
        "                           layer3=256\n"
        "    10  failed          -  layer1=8"
    )


def test_a_row_that_is_too_long_takes_several_lines():
    assert table(NAMES, ROWS, 24) == (
        "number  state\n"
        "    value  params\n"
        "     0  finished\n"
        "  80.1235  layer1=64\n"
        "           layer2=128\n"
        "           layer3=256\n"
        "    10  failed\n"
        "        -  layer1=8"
    )


def test_columns_are_dropped_the_empty_ones_first_and_cells_are_cut():
    names = ("id", "seed", "note", "of", "accuracy")
    rows = [("20261201-120000", 123456, "a note that is long", None, 93.1), ("20261202-120000", 7, "", None, 94)]
    drop, short = ("seed", "of"), ("note",)
    assert table(names, rows, 52, drop=drop, short=short) == (
        "id                 seed  note               accuracy\n"
        "20261201-120000  123456  a note that ...        93.1\n"
        "20261202-120000       7                           94"
    )
    assert table(names, rows, 43, drop=drop, short=short) == (
        "id               note              accuracy\n"
        "20261201-120000  a note that ...       93.1\n"
        "20261202-120000                          94"
    )


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("peak_lr=0.3 layer3=128", "peak_lr=0.3 ..."),
        ("weight_decay=0.0005", "weight_decay=..."),
        ("x" * 20, "x" * 13 + "..."),
    ],
)
def test_no_value_is_cut_to_another(text, cut):
    assert table(("set",), [(text,)], 16, short=("set",)) == f"set\n{cut}"


@pytest.mark.parametrize("width", [11, 17, 40, 80])
def test_no_number_is_cut_and_no_line_is_longer(width):
    rows = [(12345678, "a-word-that-is-longer-than-ten", 1.5, "20,000.25"), (1, "b", 2.25, "7")]
    lines = table(("a", "b", "c", "d"), rows, width).splitlines()
    assert max(map(len, lines)) <= width
    assert {"12345678", "1.5", "2.25", "20,000.25"} <= set(" ".join(lines).split())


def test_what_would_break_a_terminal_is_not_printed():
    text = table(("note",), [("two\nlines\t\x1b[31m \ud800 é",)])
    assert text == "note\ntwo lines ?[31m ? é"
