"""The kernels of `kernels.cpp`: compiled by the machine's C++ compiler on first use, and kept in the cache."""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

from fastcifar.data import cache_folder

# Loops have 16 channels. Two vectors of 8 floats are as fast as one of 16, and faster on a shorter remainder.
VECTORS = ("-mprefer-vector-width=256",) if platform.machine() in ("x86_64", "AMD64") else ()
FLAGS = ("-std=c++17", "-O3", "-march=native", *VECTORS, "-fno-math-errno", "-fno-trapping-math", "-fopenmp")
PATIENCE = 120  # seconds for the compiler, which takes 5

_POINTER, _INT, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_SIZES = [_LONG] * 4 + [_INT]  # images, height, width, channels; threads
_ARGUMENTS = {
    "fc_moments": [_INT, _POINTER, _LONG, _LONG, _POINTER, _POINTER, _INT],
    "fc_forward": [_INT, _INT, *[_POINTER] * 5, *_SIZES],
    "fc_backward_sums": [_INT, _INT, *[_POINTER] * 7, *_SIZES],
    "fc_backward": [_INT, _INT, *[_POINTER] * 8, *_SIZES],
    "fc_unpool": [_INT, *[_POINTER] * 3, *_SIZES],
}


class NoKernels(Exception):
    """The kernels cannot be built on this machine; the message says why."""


@functools.cache
def load_kernels() -> ctypes.CDLL:
    """Load the kernels, compiled for this machine. Raises NoKernels."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise NoKernels("there is no C++ compiler")
    loaded = _loaded(compiler, cache_folder())
    if isinstance(loaded, str):
        raise NoKernels(loaded)
    return loaded


@functools.cache  # a compiler that fails is not asked again for each run of a process
def _loaded(compiler: str, folder: Path) -> ctypes.CDLL | str:
    """The library, compiled if it is not in `folder`; or the reason why it cannot be built."""
    source = files("fastcifar.net.fused").joinpath("kernels.cpp").read_bytes()
    machine = f"{platform.platform()} {_processor()} {compiler} {FLAGS}"
    digest = hashlib.sha256(source + machine.encode()).hexdigest()[:16]
    try:
        path = folder / f"kernels-{digest}.so"
        try:
            loaded = ctypes.CDLL(str(path))
        except OSError:  # not there, or cut off by a crash
            _compile(compiler, source, path)
            loaded = ctypes.CDLL(str(path))
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return f"the kernels could not be compiled by {compiler}: {error}"
    for name, arguments in _ARGUMENTS.items():
        function = getattr(loaded, name)
        function.argtypes, function.restype = arguments, None
    return loaded


def _compile(compiler: str, source: bytes, path: Path) -> None:
    """Compile `source` to `path`; the file appears complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        code, made = Path(folder, "kernels.cpp"), Path(folder, "kernels.so")
        code.write_bytes(source)
        command = [*compiler.split(), *FLAGS, "-fPIC", "-shared", str(code), "-o", str(made)]
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=PATIENCE, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().partition("\n")[0] or f"exit status {done.returncode}")
        made.replace(path)


def _processor() -> str:
    """The processor, on which -march=native depends: several machines may share a cache."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "".join(line for line in dict.fromkeys(lines) if line.startswith(("model name", "flags", "Features")))
