import gc
import os
import pickle
import pickletools
import struct
import tracemalloc
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fastcifar.data.published.pickles import BadPickle, load_plain

IMAGES = np.arange(3 * 8, dtype=np.uint8).reshape(3, 8) * 10


def batch() -> dict[bytes, object]:
    return {b"data": IMAGES, b"labels": [3, 0, 9], b"filenames": [b"a.png", b"\xe9.png"], b"batch_label": b"one of 1"}


def python2_batch(fortran: bool = False) -> bytes:
    """What Python 2's cPickle writes for such a batch in protocol 2: str as SHORT_BINSTRING and BINSTRING."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    content = IMAGES.tobytes(order="F" if fortran else "C")
    dtype = b"cnumpy\ndtype\nq\x05" + text(b"u1") + b"K\x00K\x01\x87q\x06Rq\x07"
    dtype += b"(K\x03" + text(b"|") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85" + text(b"b") + b"\x87Rq\x04"
    array += b"(K\x01K\x03K\x08\x86" + dtype + (b"\x88" if fortran else b"\x89")
    array += b"T" + struct.pack("<i", len(content)) + content + b"tb"
    items = text(b"data") + array + text(b"labels") + b"]q\x08(K\x03K\x00K\te" + text(b"batch_label") + text(b"one")
    return b"\x80\x02}q\x01(" + items + b"u."


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_what_python_3_writes(protocol: int) -> None:
    found = load_plain(pickle.dumps(batch(), protocol=protocol))
    np.testing.assert_array_equal(found["data"], IMAGES)
    assert found["data"].dtype == np.uint8
    assert found["labels"] == [3, 0, 9]
    assert found["filenames"] == [b"a.png", b"\xe9.png"]
    assert found["batch_label"] == b"one of 1"


@pytest.mark.parametrize("fortran", [False, True])
def test_reads_what_python_2_writes(fortran: bool) -> None:
    content = python2_batch(fortran)
    reference = pickle.loads(content, encoding="bytes")
    found = load_plain(content)
    np.testing.assert_array_equal(found["data"], IMAGES)
    np.testing.assert_array_equal(found["data"], reference[b"data"])
    assert found["labels"] == [3, 0, 9]
    assert found["batch_label"] == b"one"


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_reads_both_names_of_numpys_module(module: str) -> None:
    content = python2_batch().replace(b"numpy.core.multiarray", module.encode())
    np.testing.assert_array_equal(load_plain(content)["data"], IMAGES)


@pytest.mark.parametrize(
    "value", [7, -1, 300, 70_000, -70_000, 1 << 40, 0.5, True, None, "é", b"\xff", (), (1, 2), (1, 2, 3, 4), [[1], {}]]
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_plain_values_come_back(value: object, protocol: int) -> None:
    assert load_plain(pickle.dumps({"x": value}, protocol=protocol)) == {"x": value}


def test_large_arrays_and_other_byte_orders() -> None:
    for dtype in ("<i8", ">i4", "<u2"):
        array = np.arange(1000).astype(dtype)
        found = load_plain(pickle.dumps({"x": array}, protocol=2))["x"]
        np.testing.assert_array_equal(found, array)


class Harmful:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_is_refused_and_not_run(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "made"
    with pytest.raises(BadPickle, match=r"asks for \w+\.mkdir"):
        load_plain(pickle.dumps({"x": Harmful(str(path))}, protocol=protocol))
    assert not path.exists()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.array([print, len], dtype=object), "dtype 'O8'"),
        (np.array(["a"]), "dtype 'U1'"),
        (np.array([0.5]), "dtype 'f8'"),
        (OrderedDict(a=1), "OrderedDict"),
        (Fraction(1, 2), "fractions.Fraction"),
        (np.float64(1), "scalar"),
        (bytearray(b"x"), "bytearray"),
        ({1, 2}, "set"),
    ],
)
def test_what_cifar_does_not_need_is_refused_by_name(value: object, found: str) -> None:
    with pytest.raises(BadPickle, match=found):
        load_plain(pickle.dumps({"x": value}, protocol=2))


@pytest.mark.parametrize(
    "program",
    [
        b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R",  # another codec
        b"c_codecs\nencode\n)R",
        b"cnumpy\nndarray\n)R",
        b"cbuiltins\neval\n",
        b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93",
        b"c__builtin__\nbytes\nJ\x00\x00\x00\x7f\x85R",  # would be 2 GB of zeros
        b"P0\n",  # persistent id
        b"\x82\x01",  # extension registry
        b"}(K\x01K\x02ub",  # state of a dict
        b"](K\x01e}\x86b",
        b"\x8e" + b"\xff" * 8,  # bytes of more than all memory
        b"B" + b"\xff" * 4,
        b"h\x07",  # nothing was put there
        b"t",
        b"0",
    ],
)
def test_hostile_programs_are_refused(program: bytes) -> None:
    with pytest.raises(BadPickle):
        load_plain(b"\x80\x02}X\x01\x00\x00\x00x" + program + b"s.")


def test_memory_is_bounded_by_the_file() -> None:
    far_put = b"\x80\x02}X\x01\x00\x00\x00xK\x01r\xff\xff\xff\xffs."
    assert load_plain(far_put) == {"x": 1}
    text = b"X" + struct.pack("<I", 1000) + b"a" * 1000 + b"q\x01X\x06\x00\x00\x00latin1q\x02c_codecs\nencode\nq\x03"
    again = b"h\x03h\x01h\x02\x86R" * 100
    with pytest.raises(BadPickle, match="more text than it holds"):
        load_plain(b"\x80\x02](" + text + again + b"e.")


@pytest.mark.parametrize("opcode", [b"]", b"}", b")", b"(", b"N", b"\x94", b"q\x01", b"]q\x01"])
def test_far_more_opcodes_than_images_need_are_refused_in_little_memory(opcode: bytes) -> None:
    """At 70 million they took 5 GB; gzip makes 100 kB of them."""
    content = b"\x80\x04}" + opcode * 3_000_000 + b"."
    tracemalloc.start()
    try:
        with pytest.raises(BadPickle, match="more than 310000 opcodes, far more than its images need"):
            load_plain(content, items=10_000)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_the_opcodes_of_a_full_batch_are_fewer_than_the_limit() -> None:
    """Nine for an image is the most that Python writes: bytes in protocol 2, each made by a call."""
    value = {b"labels": [i % 10 for i in range(10_000)], b"filenames": [b"image_%d.png" % i for i in range(10_000)]}
    for protocol in (2, 3, 4, 5):
        content = pickle.dumps(value, protocol)
        assert sum(1 for _ in pickletools.genops(content)) < 3 / 10 * 310_000
        assert load_plain(content, items=10_000) == {key.decode(): item for key, item in value.items()}


def test_no_state_is_written_into_anything_but_arrays() -> None:
    """BUILD would set attributes of the functions that stand for NumPy's, for all that is read later."""
    for name in (b"cnumpy.core.multiarray\n_reconstruct\n", b"c_codecs\nencode\n", b"cnumpy\ndtype\n"):
        with pytest.raises(BadPickle, match="a state for a"):
            load_plain(b"\x80\x02}X\x01\x00\x00\x00x" + name + b"}X\x01\x00\x00\x00aK\x01sbs.")


def test_what_was_read_is_let_go_at_once() -> None:
    """Without a round of the garbage collector, which hundreds of megabytes in a few objects do not bring about."""
    content = pickle.dumps({"data": np.zeros((1000, 3072), np.uint8)}, protocol=2)
    gc.disable()
    tracemalloc.start()
    try:
        load_plain(content)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
        gc.enable()


def test_nested_keys_and_deep_nesting_do_no_harm() -> None:
    with pytest.raises(BadPickle, match="dict key of type tuple"):
        load_plain(b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.")
    load_plain(b"\x80\x02}X\x01\x00\x00\x00x)" + b"\x85" * 200_000 + b"s.")
    with pytest.raises(BadPickle, match="by "):
        load_plain(b"\x80\x02}c_codecs\nencode\nX\x01\x00\x00\x00a)" + b"\x85" * 200_000 + b"\x86R.")


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"\x80\x02", b"(dp0\n.", b"\x80\x09}.", b"GIF89a", b"\x80\x02K\x01."]
)
def test_what_is_no_pickled_dict_is_refused(content: bytes) -> None:
    with pytest.raises(BadPickle):
        load_plain(content)


@pytest.mark.parametrize("content", [pickle.dumps(batch(), protocol=2), pickle.dumps(batch(), 5), python2_batch()])
def test_every_truncation_and_every_bit_flip_is_survived(content: bytes) -> None:
    for size in range(len(content)):
        with pytest.raises(BadPickle):
            load_plain(content[:size])
    refused = 0
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            load_plain(bytes(damaged))
        except BadPickle:
            refused += 1
    assert refused > len(content)
