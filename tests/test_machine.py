"""Cores and memory, on machines made of files."""

import os

import pytest

from fastcifar import machine
from fastcifar.machine import check_threads, cores, free_memory, share_of_cores, short_waits

GB = 10**9
ALLOWED = machine._allowed_cores
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
V1 = (
    "30 23 0:26 {top} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "31 23 0:27 {top} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(machine, "_allowed_cores", lambda: 8)


@pytest.fixture
def made(tmp_path):
    """Makes a file tree of {path: text}; its root."""

    def make(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def meminfo(available):
    return {"proc/meminfo": f"MemTotal: 99999999 kB\nMemFree: 1 kB\nMemAvailable: {available // 1024} kB\n"}


def v2(path="/"):
    return {"proc/self/cgroup": f"0::{path}\n", "proc/self/mountinfo": V2}


def v1(path="/", top="/"):
    entries = f"4:memory:{path}\n3:cpuset:/\n2:cpu,cpuacct:{path}\n0::/\n"
    return {"proc/self/cgroup": entries, "proc/self/mountinfo": V1.format(top=top)}


def test_a_machine_without_limits(made):
    root = made(meminfo(5 * 1024**3) | v2() | {"sys/fs/cgroup/cpu.max": "max 100000\n"})
    assert cores(root) == 8 and free_memory(root) == 5 * 1024**3


def test_a_system_that_says_nothing(tmp_path):
    assert cores(tmp_path) == 8 and free_memory(tmp_path) == float("inf")


@pytest.mark.parametrize(
    ("limit", "number"),
    [("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8), ("300000", 3)],
)
def test_the_quota_of_a_container(made, limit, number):
    assert cores(made(v2() | {"sys/fs/cgroup/cpu.max": f"{limit}\n"})) == number


def test_a_broken_quota_is_none(made):
    assert cores(made(v2() | {"sys/fs/cgroup/cpu.max": "many 0\n"})) == 8


def test_the_least_of_nested_cgroups_counts(made):
    files = {
        "sys/fs/cgroup/user.slice/cpu.max": "300000 100000\n",
        "sys/fs/cgroup/user.slice/memory.max": f"{9 * GB}\n",
        "sys/fs/cgroup/user.slice/memory.current": f"{7 * GB}\n",
        "sys/fs/cgroup/user.slice/job.scope/cpu.max": "max 100000\n",
        "sys/fs/cgroup/user.slice/job.scope/memory.max": f"{4 * GB}\n",
        "sys/fs/cgroup/user.slice/job.scope/memory.current": f"{1 * GB}\n",
        "sys/fs/cgroup/other.slice/cpu.max": "100000 100000\n",
    }
    root = made(meminfo(50 * GB) | v2("/user.slice/job.scope") | files)
    assert cores(root) == 3
    assert free_memory(root) == 2 * GB


def test_cached_files_count_as_free(made):
    files = {
        "sys/fs/cgroup/memory.max": f"{4 * GB}\n",
        "sys/fs/cgroup/memory.current": f"{3 * GB}\n",
        "sys/fs/cgroup/memory.stat": f"anon {GB}\ninactive_file {GB}\nactive_file {GB // 2}\ninactive_anon 5\n",
    }
    assert free_memory(made(meminfo(50 * GB) | v2() | files)) == 2.5 * GB


def test_a_full_cgroup_has_nothing_left(made):
    files = {"sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "2000\n"}
    assert free_memory(made(meminfo(GB) | v2() | files)) == 0


def test_version_1(made):
    files = {
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "400000\n",
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{6 * GB}\n",
        "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{5 * GB}\n",
        "sys/fs/cgroup/memory/job/memory.stat": f"inactive_file 7\ntotal_inactive_file {GB}\ntotal_active_file {GB}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{9 * GB}\n",
    }
    root = made(meminfo(50 * GB) | v1("/job") | files)
    assert cores(root) == 4 and free_memory(root) == 3 * GB


def test_a_container_sees_its_own_cgroup_at_the_top_of_the_mount(made):
    """Docker with cgroups of version 1: the path is the host's, the mount shows that part of the tree alone."""
    files = {
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GB}\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GB}\n",
    }
    root = made(meminfo(50 * GB) | v1("/docker/ab12", top="/docker/ab12") | files)
    assert cores(root) == 2 and free_memory(root) == GB


def test_a_cgroup_that_lies_outside_of_what_is_mounted(made):
    root = made(v2("/../../elsewhere") | {"sys/fs/cgroup/cpu.max": "200000 100000\n"})
    assert cores(root) == 2


def test_this_machine():
    assert 1 <= ALLOWED() <= (os.cpu_count() or 1)
    assert 1 <= cores() <= 8 and free_memory() > 0


def test_the_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 8)
    assert [share_of_cores(trials) for trials in (1, 3, 8, 20)] == [8, 2, 1, 1]


@pytest.mark.parametrize("number", [0, -1, 1025, 1.5, True, "2"])
def test_what_is_no_number_of_threads(number):
    with pytest.raises(ValueError, match=f"threads: a whole number from 1 to 1,024 is needed, not {number!r}"):
        check_threads(number)


def test_waits_are_short_unless_the_user_has_decided():
    environment: dict[str, str] = {}
    short_waits(environment)
    assert environment == {"GOMP_SPINCOUNT": "1000"}
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        environment = {name: "user's"}
        short_waits(environment)
        assert environment == {name: "user's"}
