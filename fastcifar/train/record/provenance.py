"""What a result was made with: code, libraries, machine."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fastcifar

PROVENANCE = ("code", "versions", "device", "threads", "system")


def provenance(device: torch.device, threads: int | None = None) -> dict[str, Any]:
    """Versions, code version and machine, as JSON values under the keys PROVENANCE. threads: None is torch's number."""
    return {
        "code": code_version(),
        "versions": {
            "fastcifar": fastcifar.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        },
        "device": device_name(device),
        "threads": threads or torch.get_num_threads(),
        "system": platform.platform(),
    }


def device_name(device: torch.device) -> str:
    """The model of the GPU, or of the CPU and the vector instructions that torch uses there, which decide its speed."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    vectors = torch.backends.cpu.get_cpu_capability()
    return f"{_cpu_model()} ({vectors})" if vectors != "DEFAULT" else _cpu_model()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def code_version() -> str:
    """The commit of the checkout that this package runs from, `+` for local changes; else the package's version."""
    here = Path(__file__).resolve().parents[3]
    if not (here / ".git").exists():
        return fastcifar.__version__
    try:
        command = ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
        environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=5, check=True, env=environment
        )
        return done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return fastcifar.__version__
