"""The CPU cores and memory that this process may use. cgroups (containers, systemd, Slurm) may allow less than the
machine has.
"""

import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path, PurePosixPath

ROOT = Path("/")
MAX_THREADS = 1024  # a runtime that cannot start its threads ends the process
# libgomp is the OpenMP runtime of torch's CPU builds. A waiting thread spins this many times before it sleeps. The
# default of 300,000 takes several milliseconds, in which the thread keeps others from a busy core.
WAIT = {"GOMP_SPINCOUNT": "1000"}
WAIT_POLICIES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")  # a user who sets either has decided


def cores(root: Path = ROOT) -> int:
    """CPU cores that this process may use, at least 1: its affinity, and the quota of its cgroups, rounded down.

    root: where `proc` and `sys` are looked for.
    """
    quotas = [quota for quota in (*_quotas_v2(root), *_quotas_v1(root)) if quota > 0]
    return max(1, int(min([_allowed_cores(), *quotas])))


def free_memory(root: Path = ROOT) -> float:
    """Bytes of memory that this process may still allocate; infinity if the system does not say.

    The file cache counts as free, because the system gives it up when memory is needed.
    """
    return max(0.0, min([_available(root), *_left_v2(root), *_left_v1(root)]))


def check_threads(number: int | None) -> None:
    """Raise ValueError for an invalid number of threads; None (not set) is valid."""
    whole = isinstance(number, int) and not isinstance(number, bool)
    if number is not None and not (whole and 1 <= number <= MAX_THREADS):
        raise ValueError(f"threads: a whole number from 1 to {MAX_THREADS:,} is needed, not {number!r}")


def share_of_cores(concurrency: int) -> int:
    """Threads for each of `concurrency` trials, so that together they use all cores."""
    return max(1, cores() // concurrency)


def short_waits(environment: MutableMapping[str, str]) -> None:
    """Let waiting OpenMP threads sleep soon, unless the user has decided otherwise. It must run before torch is loaded.

    It costs nothing on a quiet machine, and saves about half of a step's time on a busy one (benchmarks/LOG.md).
    """
    if not any(name in environment for name in WAIT_POLICIES):
        environment.update(WAIT)


def _allowed_cores() -> int:
    if hasattr(os, "process_cpu_count"):  # Python 3.13, which lets the user say less
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas_v2(root: Path) -> Iterator[float]:
    for folder in _cgroups(root, None):
        quota, *period = (_text(folder / "cpu.max") or "max").split()
        if quota != "max":
            yield _ratio(quota, *period)


def _quotas_v1(root: Path) -> Iterator[float]:
    for folder in _cgroups(root, "cpu"):
        yield _ratio(_text(folder / "cpu.cfs_quota_us") or "-1", _text(folder / "cpu.cfs_period_us") or "100000")


def _ratio(quota: str, period: str = "100000") -> float:
    """Cores; infinity if the values cannot be read."""
    try:
        return int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return float("inf")


def _available(root: Path) -> float:
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return _number(line.split()[1]) * 1024
    return float("inf")


def _left_v2(root: Path) -> Iterator[float]:
    for folder in _cgroups(root, None):
        cached = _cached(folder, "inactive_file", "active_file")
        yield _number(_text(folder / "memory.max")) - _used(folder / "memory.current") + cached


def _left_v1(root: Path) -> Iterator[float]:
    for folder in _cgroups(root, "memory"):
        cached = _cached(folder, "total_inactive_file", "total_active_file")
        yield _number(_text(folder / "memory.limit_in_bytes")) - _used(folder / "memory.usage_in_bytes") + cached


def _cached(folder: Path, *keys: str) -> float:
    """Bytes of a cgroup's file cache."""
    entries = [line.split() for line in _text(folder / "memory.stat").splitlines()]
    return sum(_number(entry[1]) for entry in entries if len(entry) == 2 and entry[0] in keys)


def _used(path: Path) -> float:
    text = _text(path)
    return _number(text) if text else 0.0


def _number(text: str) -> float:
    """A whole number; infinity for `max` and for other text."""
    return float(text) if text.strip().isdigit() else float("inf")


def _cgroups(root: Path, controller: str | None) -> Iterator[Path]:
    """Folders of this process's cgroup and its ancestors. controller: for v1; None means v2."""
    inside = _own_path(root, controller)
    for line in _text(root / "proc/self/mountinfo").splitlines():
        fields, _, kind = line.partition(" - ")
        mounted = fields.split()
        file_system, _, options = [*kind.split(), "", "", ""][:3]
        right = file_system == "cgroup2" if controller is None else controller in options.split(",")
        if inside is None or len(mounted) < 5 or not right or not file_system.startswith("cgroup"):
            continue
        top, mount = PurePosixPath(mounted[3]), root / mounted[4].lstrip("/")
        # A container's mount may show its own subtree only; then the mount's root is this process's cgroup.
        below = inside.relative_to(top) if inside.is_relative_to(top) and ".." not in inside.parts else PurePosixPath()
        yield from (mount / one for one in (below, *below.parents))


def _own_path(root: Path, controller: str | None) -> PurePosixPath | None:
    """The path of this process's cgroup; None if it has none."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if (number == "0" and not controllers) if controller is None else controller in controllers.split(","):
            return PurePosixPath(path)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
