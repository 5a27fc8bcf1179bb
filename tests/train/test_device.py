"""What is set on a device while something runs there."""

import os
import subprocess
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
import torch

from fastcifar.train.device import exact_products, kernels

CUDNN, MATMUL = torch.backends.cudnn, torch.backends.cuda.matmul
GENERIC = torch.backends


def settings():
    """Of products in TF32: by torch's newer way, and by its older one, which may not be to be had."""
    newer = CUDNN.conv.fp32_precision, CUDNN.rnn.fp32_precision, MATMUL.fp32_precision
    older = None
    with suppress(RuntimeError):
        older = CUDNN.allow_tf32
    return newer, older


@pytest.fixture(autouse=True)
def as_before():
    (conv, rnn, matmul), older = settings()
    yield
    CUDNN.allow_tf32, CUDNN.conv.fp32_precision, CUDNN.rnn.fp32_precision = older, conv, rnn
    MATMUL.fp32_precision, GENERIC.fp32_precision = matmul, "none"


@pytest.mark.parametrize(("arguments", "by_trial"), [((False,), True), ((False, False), False), ((True,), False)])
def test_cudnn_is_on_inside(monkeypatch, arguments, by_trial):
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())  # there may be no GPU
    before = CUDNN.enabled, CUDNN.benchmark, CUDNN.deterministic, settings()
    with kernels(torch.device("cuda"), *arguments):
        assert CUDNN.enabled is before[0] is True
        assert (CUDNN.benchmark, CUDNN.deterministic) == (by_trial, arguments[0])
        assert torch.get_deterministic_debug_mode() == (2 if arguments[0] else 0)
        assert CUDNN.conv.fp32_precision == "ieee"
    assert before == (CUDNN.enabled, CUDNN.benchmark, CUDNN.deterministic, settings())
    assert torch.get_deterministic_debug_mode() == 0


def test_nothing_stays_set_after_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    before = CUDNN.benchmark, CUDNN.deterministic, settings()
    with pytest.raises(KeyError), kernels(torch.device("cuda"), True):
        raise KeyError
    assert before == (CUDNN.benchmark, CUDNN.deterministic, settings())
    assert torch.get_deterministic_debug_mode() == 0


def by_conv(value):
    CUDNN.conv.fp32_precision = value


def by_all(value):
    GENERIC.fp32_precision = value


@pytest.mark.parametrize(
    ("set_by_the_user", "older"),
    [
        (lambda: None, False),  # torch's defaults: TF32 in cuDNN
        (lambda: setattr(CUDNN, "allow_tf32", True), False),
        (lambda: setattr(CUDNN, "allow_tf32", False), False),
        (lambda: by_conv("ieee"), None),  # the older way raises from now on
        (lambda: (setattr(CUDNN, "allow_tf32", False), by_conv("tf32")), False),
        (lambda: by_all("tf32"), False),
        (lambda: setattr(MATMUL, "fp32_precision", "tf32"), False),
    ],
)
def test_fp32_is_fp32_inside_whatever_the_user_has_set(set_by_the_user, older):
    set_by_the_user()
    before = settings()
    with exact_products():
        inside = settings()
        assert inside[0][0] != "tf32" and inside[0][2] != "tf32"
        assert inside[1] is older  # torch's compiler asks it
    assert settings() == before


def test_cublas_is_told_before_it_starts():
    """In a process that has done nothing but import the package; a user's own setting stays."""
    code = "import os, fastcifar; print(os.environ['CUBLAS_WORKSPACE_CONFIG'])"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("CUBLAS_WORKSPACE_CONFIG", None)
    for added, said in (({}, ":4096:8"), ({"CUBLAS_WORKSPACE_CONFIG": ":16:8"}, ":16:8")):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**environment, **added}, capture_output=True, text=True
        )
        assert done.stdout.strip() == said
