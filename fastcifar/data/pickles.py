"""Reads the pickles of CIFAR's python batches without the pickle module: no code can come from a file.

It is a small machine for the opcodes of pickle protocols 2 to 5 (described in the standard library's
`pickletools`) that make lists, dicts, tuples, numbers, strings and bytes. The only names that a file may mention are
those by which NumPy writes an array and by which Python 3 writes bytes in protocol 2; for each there is a stand-in
below, so that not even NumPy's own functions see what a file says before it has been checked. Python's unpickler
would also allocate whatever memory a damaged file asks for.
"""

import math
import re
import reprlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcifar.data.dataset import DataError

DTYPES = frozenset({"u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"})

# The rest of a run of one-byte integers, as in a list of labels: read at once, since there are 50,000 of them.
_SMALL_INTEGERS = re.compile(rb".(?:K.)*", re.DOTALL)
_STOP = ord(".")


class BadPickle(DataError):
    """Not a pickle of plain data; the message says what was found."""


class _Array:
    """An array in the making: BUILD gives it its content."""

    value: np.ndarray | None = None


@dataclass
class _DType:
    code: str  # 'u1', 'i8', ...
    order: str = "<"


@dataclass(frozen=True)
class _Known:
    """A name that a pickle may mention, and what calling it does here."""

    name: str
    call: Callable[..., Any]


@dataclass
class _Machine:
    content: bytes
    position: int = 0
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)  # heights of the stack
    memo: dict[int, Any] = field(default_factory=dict)
    encoded_bytes: int = 0  # made by `_codecs.encode` so far

    def take(self, size: int) -> bytes:
        end = self.position + size
        if size < 0 or end > len(self.content):
            raise BadPickle(f"it ends inside a value of {size} bytes that starts at byte {self.position}")
        piece = self.content[self.position : end]
        self.position = end
        return piece

    def number(self, size: int) -> int:
        end = self.position + size
        if end > len(self.content):
            raise BadPickle(f"it ends inside a number at byte {self.position}")
        value = int.from_bytes(self.content[self.position : end], "little")
        self.position = end
        return value

    def line(self) -> str:
        end = self.content.index(b"\n", self.position, self.position + 200)
        return self.take(end + 1 - self.position)[:-1].decode("ascii")

    def pop_mark(self) -> list[Any]:
        height = self.marks.pop()
        items = self.stack[height:]
        del self.stack[height:]
        return items

    def run(self) -> Any:
        content = self.content
        while self.position < len(content):
            code = content[self.position]
            self.position += 1
            if code == _STOP:
                return self.stack.pop()
            handler = _HANDLERS[code]
            if handler is None:
                raise BadPickle(f"opcode {bytes([code])!r} at byte {self.position - 1}, which plain data does not need")
            handler(self)
        raise BadPickle("it ends without its last opcode")


def load_plain(content: bytes) -> dict[str, Any]:
    """Unpickles a dict of plain data: str keys; values of lists, dicts, numbers, str, bytes and integer arrays.

    Keys written as bytes become str. Raises `BadPickle` for everything else, and for every damaged file.
    """
    if content[:1] != b"\x80" or content[1:2] not in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise BadPickle(f"it starts with {content[:2]!r}, not as a pickle of protocol 2 to 5")
    machine = _Machine(content, position=2)
    try:
        value = machine.run()
    except BadPickle:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError, struct.error) as error:
        raise BadPickle(f"it is damaged near byte {machine.position} ({error})") from None
    if type(value) is not dict:
        raise BadPickle(f"it holds a {type(value).__name__}, not a dict")
    return {_text(key): item.value if isinstance(item, _Array) else item for key, item in value.items()}


def _text(key: str | bytes) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else key


# The names that a pickle may mention.


def _encode(machine: _Machine, text: Any, codec: Any) -> bytes:
    if type(text) is not str or codec not in ("latin1", "latin-1"):
        found = f"_codecs.encode of a {type(text).__name__} by {reprlib.repr(codec)}"
        raise BadPickle(f"{found}, where only text by 'latin1' occurs")
    machine.encoded_bytes += len(text)
    if machine.encoded_bytes > len(machine.content):  # one remembered string, encoded over and over
        raise BadPickle("it encodes more text than it holds")
    return text.encode("latin1")


def _reconstruct(machine: _Machine, kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _NDARRAY:
        raise BadPickle(f"an array of type {reprlib.repr(kind)}, where only numpy.ndarray occurs")
    return _Array()


def _dtype(machine: _Machine, code: Any, align: Any = False, copy: Any = False) -> _DType:
    code = _text(code)
    if code not in DTYPES:
        raise BadPickle(f"an array of dtype {reprlib.repr(code)}, where only integers occur")
    return _DType(code)


def _from_buffer(machine: _Machine, buffer: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.value = _make_array(shape, dtype, order == "F", buffer)
    return array


def _not_called(machine: _Machine, *args: Any) -> Any:
    raise BadPickle("it calls numpy.ndarray, which plain data does not need")


_NDARRAY = _Known("numpy.ndarray", _not_called)
_KNOWN = {
    "numpy ndarray": _NDARRAY,
    "numpy dtype": _Known("numpy.dtype", _dtype),
    "_codecs encode": _Known("_codecs.encode", _encode),
    **dict.fromkeys(
        ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"),
        _Known("numpy.core.multiarray._reconstruct", _reconstruct),
    ),
    **dict.fromkeys(
        ("numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"),
        _Known("numpy.core.numeric._frombuffer", _from_buffer),
    ),
}


def _make_array(shape: Any, dtype: Any, fortran: bool, buffer: Any) -> np.ndarray:
    if not isinstance(dtype, _DType) or not isinstance(buffer, (bytes, bytearray, str)):
        raise BadPickle("an array whose content is not plain numbers")
    if isinstance(buffer, str):
        buffer = buffer.encode("latin1")
    if type(shape) is not tuple or len(shape) > 2 or not all(type(n) is int and n >= 0 for n in shape):
        raise BadPickle(f"an array of shape {reprlib.repr(shape)}")
    array = np.frombuffer(buffer, dtype=np.dtype(dtype.order + dtype.code))
    if array.size != math.prod(shape):
        raise BadPickle(f"an array of shape {shape} with {array.size} numbers in it")
    return array.reshape(shape, order="F" if fortran else "C")


# One function per opcode that needs more than a line.


def _look_up(machine: _Machine, module: Any, name: Any) -> None:
    if type(module) is not str or type(name) is not str:
        raise BadPickle("it asks for something whose name is not text")
    known = _KNOWN.get(f"{module} {name}")
    if known is None:
        wanted = f"{module}.{name}"[:100]
        raise BadPickle(f"it asks for {wanted}, which CIFAR does not need; refused, and nothing of it was run")
    machine.stack.append(known)


def _small_integers(machine: _Machine) -> None:
    run = _SMALL_INTEGERS.match(machine.content, machine.position)
    if run is None:
        raise BadPickle("it ends inside a number")
    machine.stack.extend(run[0][::2])
    machine.position = run.end()


def _skip_frame(machine: _Machine) -> None:
    machine.take(8)  # only says how much follows


def _stack_global(machine: _Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    _look_up(machine, module, name)


def _reduce(machine: _Machine) -> None:
    arguments, known = machine.stack.pop(), machine.stack.pop()
    if not isinstance(known, _Known):
        raise BadPickle(f"it calls a {type(known).__name__}, which is refused")
    if type(arguments) is not tuple:
        raise BadPickle(f"it calls {known.name} on a {type(arguments).__name__} instead of a tuple of arguments")
    machine.stack.append(known.call(machine, *arguments))


def _build(machine: _Machine) -> None:
    state, target = machine.stack.pop(), machine.stack[-1]
    if isinstance(target, _DType) and type(state) is tuple:
        order = _text(state[1])
        if order not in ("<", ">", "|"):
            raise BadPickle(f"a dtype of byte order {reprlib.repr(order)}")
        target.order = order
    elif isinstance(target, _Array) and type(state) is tuple:
        _version, shape, dtype, fortran, buffer = state
        target.value = _make_array(shape, dtype, bool(fortran), buffer)
    else:
        raise BadPickle(f"it sets the state of a {type(target).__name__}, which is refused")


def _set_items(machine: _Machine, pairs: list[Any]) -> None:
    target = machine.stack[-1]
    keys, values = pairs[0::2], pairs[1::2]
    if type(target) is not dict or len(keys) != len(values):
        raise BadPickle("it fills something that is not a dict")
    for key, value in zip(keys, values, strict=True):
        if type(key) not in (str, bytes):  # hashing deeply nested tuples would overflow the C stack
            raise BadPickle(f"a dict key of type {type(key).__name__}")
        target[key] = value


def _append(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if type(target) is not list:
        raise BadPickle("it appends to something that is not a list")
    target.extend(items)


def _make_tuple(machine: _Machine, size: int) -> None:
    stack = machine.stack
    if len(stack) < size:
        raise BadPickle("a tuple of more values than there are")
    stack[-size:] = [tuple(stack[-size:])]


def _put(machine: _Machine, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


def _last(machine: _Machine, size: int) -> list[Any]:
    return [machine.stack.pop() for _ in range(size)][::-1]


def _pushes(value: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(value(machine))


_OPCODES: dict[bytes, Callable[[_Machine], None]] = {
    b"\x95": _skip_frame,
    b"(": lambda m: m.marks.append(len(m.stack)),
    b"N": _pushes(lambda m: None),
    b"\x88": _pushes(lambda m: True),
    b"\x89": _pushes(lambda m: False),
    b"K": _small_integers,
    b"M": _pushes(lambda m: m.number(2)),
    b"J": _pushes(lambda m: int.from_bytes(m.take(4), "little", signed=True)),
    b"\x8a": _pushes(lambda m: int.from_bytes(m.take(m.number(1)), "little", signed=True)),
    b"G": _pushes(lambda m: struct.unpack(">d", m.take(8))[0]),
    b"U": _pushes(lambda m: m.take(m.number(1))),
    b"T": _pushes(lambda m: m.take(m.number(4))),
    b"C": _pushes(lambda m: m.take(m.number(1))),
    b"B": _pushes(lambda m: m.take(m.number(4))),
    b"\x8e": _pushes(lambda m: m.take(m.number(8))),
    b"\x96": _pushes(lambda m: m.take(m.number(8))),
    b"X": _pushes(lambda m: m.take(m.number(4)).decode("utf-8")),
    b"\x8c": _pushes(lambda m: m.take(m.number(1)).decode("utf-8")),
    b"\x8d": _pushes(lambda m: m.take(m.number(8)).decode("utf-8")),
    b"]": _pushes(lambda m: []),
    b"}": _pushes(lambda m: {}),
    b")": _pushes(lambda m: ()),
    b"t": _pushes(lambda m: tuple(m.pop_mark())),
    b"\x85": lambda m: _make_tuple(m, 1),
    b"\x86": lambda m: _make_tuple(m, 2),
    b"\x87": lambda m: _make_tuple(m, 3),
    b"a": lambda m: _append(m, _last(m, 1)),
    b"e": lambda m: _append(m, m.pop_mark()),
    b"s": lambda m: _set_items(m, _last(m, 2)),
    b"u": lambda m: _set_items(m, m.pop_mark()),
    b"q": lambda m: _put(m, m.number(1)),
    b"r": lambda m: _put(m, m.number(4)),
    b"\x94": lambda m: _put(m, len(m.memo)),
    b"h": _pushes(lambda m: m.memo[m.number(1)]),
    b"j": _pushes(lambda m: m.memo[m.number(4)]),
    b"c": lambda m: _look_up(m, m.line(), m.line()),
    b"\x93": _stack_global,
    b"R": _reduce,
    b"b": _build,
}
_HANDLERS = [_OPCODES.get(bytes([code])) for code in range(256)]
