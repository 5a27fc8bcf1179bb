"""Reads the pickles of CIFAR's python batches without running code from the file.

This is Python's own unpickler with three restrictions:

- Opcodes: only those of lists, dicts, tuples, numbers, strings and bytes.
- Names: only those with which NumPy writes an array, and Python 3 writes bytes in protocol 2.
- Objects: these names are replaced by stand-ins, so that NumPy's functions see values only after they are checked.

It uses the unpickler written in Python, because the one in C allocates whatever a damaged file asks for. The number of
opcodes is limited: 70 million empty lists, 100 kB of gzip, would take gigabytes.
"""

import io
import math
import pickle
import reprlib
from typing import Any, ClassVar

import numpy as np

from fastcifar.data.dataset import DataError

DTYPES = frozenset({"u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"})

_OPCODES = """
    PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT
    SHORT_BINSTRING BINSTRING SHORT_BINBYTES BINBYTES BINBYTES8 BINUNICODE SHORT_BINUNICODE BINUNICODE8
    EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
    BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD
""".split()

# CIFAR's batches need 3 to 9 opcodes for an image, for its label and its file's name.
OPCODES_PER_ITEM, MORE_OPCODES = 30, 10_000


class BadPickle(DataError):
    """Not a pickle of plain data; the message says what was found."""


def load_plain(content: bytes, items: int = 10_000) -> dict[str, Any]:
    """Unpickles a dict of plain data: str keys; values of lists, dicts, numbers, str, bytes and integer arrays.

    Keys written as bytes become str. items: number of images or names; a file with far more opcodes is refused.
    Raises `BadPickle` for anything else and for a damaged file.
    """
    if content[:1] != b"\x80" or content[1:2] not in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise BadPickle(f"it starts with {content[:2]!r}, not as a pickle of protocol 2 to 5")
    unpickler = _Unpickler(content, OPCODES_PER_ITEM * items + MORE_OPCODES)
    try:
        value = unpickler.load()
    except BadPickle:
        raise
    except Exception as error:  # a damaged file can make it stumble anywhere
        raise BadPickle(f"it is damaged ({type(error).__name__}: {reprlib.repr(str(error))})") from None
    finally:
        unpickler.__dict__.clear()  # it refers to itself, and would keep the file in memory for a long time
    if type(value) is not dict:
        raise BadPickle(f"it holds a {type(value).__name__}, not a dict")
    return {_text(key): item.value if isinstance(item, _Array) else item for key, item in value.items()}


_pickle: Any = pickle  # whose private classes the stubs do not know
_InPython: Any = _pickle._Unpickler


class _Unpickler(_InPython):  # type: ignore[misc]  # the stubs do not know it
    def __init__(self, content: bytes, most_opcodes: int) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self.room = len(content)  # bytes that `encode` may still make
        self.most_opcodes = most_opcodes

    def load(self) -> Any:
        """As Python's own, for a limited number of opcodes."""
        self._unframer = _pickle._Unframer(self._file_read, self._file_readline)
        self.read, self.readline, self.readinto = self._unframer.read, self._unframer.readline, self._unframer.readinto
        self.metastack: list[Any] = []
        self.stack: list[Any] = []
        self.append, self.proto = self.stack.append, 0
        read, dispatch = self.read, self.dispatch
        try:
            for _ in range(self.most_opcodes):
                dispatch[read(1)[0]](self)
        except _pickle._Stop as stop:
            return stop.value
        raise BadPickle(f"it has more than {self.most_opcodes} opcodes, far more than its images need")

    def find_class(self, module: str, name: str) -> Any:
        known = {
            "numpy ndarray": _not_called,
            "numpy dtype": _DType,
            "numpy.core.multiarray _reconstruct": _reconstruct,
            "numpy._core.multiarray _reconstruct": _reconstruct,
            "numpy.core.numeric _frombuffer": _from_buffer,
            "numpy._core.numeric _frombuffer": _from_buffer,
            "_codecs encode": self.encode,
        }
        if f"{module} {name}" not in known:
            wanted = f"{module}.{name}"[:100]
            raise BadPickle(f"it asks for {wanted}, which CIFAR does not need; refused, and nothing of it was run")
        return known[f"{module} {name}"]

    def encode(self, text: Any, codec: Any) -> bytes:
        if type(text) is not str or codec not in ("latin1", "latin-1"):
            found = f"_codecs.encode of a {type(text).__name__} by {reprlib.repr(codec)}"
            raise BadPickle(f"{found}, where only text by 'latin1' occurs")
        self.room -= len(text)
        if self.room < 0:  # one remembered string, encoded over and over
            raise BadPickle("it encodes more text than it holds")
        return text.encode("latin1")

    def load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        if size > self.room:
            raise BadPickle(f"it ends inside a value of {size} bytes")
        self.append(self.read(size))

    def load_build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if type(made) not in (_Array, _DType):  # a state would be written into anything, also into our functions
            raise BadPickle(f"a state for a {type(made).__name__}, where only arrays have one")
        made.__setstate__(state)

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._set_items(items)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _set_items(self, items: list[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, bytes):  # hashing deeply nested tuples would overflow the C stack
                raise BadPickle(f"a dict key of type {type(key).__name__}")
            self.stack[-1][key] = value

    dispatch: ClassVar = {
        **{code: _InPython.dispatch[code] for code in (getattr(pickle, name)[0] for name in _OPCODES)},
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.BYTEARRAY8[0]: load_bytearray8,
        pickle.BUILD[0]: load_build,
    }


class _DType:
    """Stands for numpy.dtype: integers only."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        self.code, self.order = _text(code), "<"
        if self.code not in DTYPES:
            raise BadPickle(f"an array of dtype {reprlib.repr(self.code)}, where only integers occur")

    def __setstate__(self, state: Any) -> None:
        self.order = _text(state[1])
        if self.order not in ("<", ">", "|"):
            raise BadPickle(f"a dtype of byte order {reprlib.repr(self.order)}")


class _Array:
    """Stands for numpy.ndarray, first without its content."""

    value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran, buffer = state
        self.value = _make_array(shape, dtype, bool(fortran), buffer)


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _not_called:
        raise BadPickle(f"an array of type {reprlib.repr(kind)}, where only numpy.ndarray occurs")
    return _Array()


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.value = _make_array(shape, dtype, order == "F", buffer)
    return array


def _not_called(*arguments: Any) -> Any:
    raise BadPickle("it calls numpy.ndarray, which plain data does not need")


def _make_array(shape: Any, dtype: Any, fortran: bool, buffer: Any) -> np.ndarray:
    if not isinstance(dtype, _DType) or not isinstance(buffer, bytes):
        raise BadPickle("an array whose content is not plain numbers")
    if type(shape) is not tuple or len(shape) > 2 or not all(type(n) is int and n >= 0 for n in shape):
        raise BadPickle(f"an array of shape {reprlib.repr(shape)}")
    array = np.frombuffer(buffer, dtype=np.dtype(dtype.order + dtype.code))
    if array.size != math.prod(shape):
        raise BadPickle(f"an array of shape {reprlib.repr(shape)} with {array.size} numbers in it")
    return array.reshape(shape, order="F" if fortran else "C")


def _text(key: str | bytes) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else key
