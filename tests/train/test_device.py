"""What is set on a device while something runs there."""

from contextlib import nullcontext

import pytest
import torch

from fastcifar.train.device import kernels


@pytest.mark.parametrize(("settings", "by_trial"), [((False,), True), ((False, False), False), ((True,), False)])
def test_cudnn_is_on_inside(monkeypatch, settings, by_trial):
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())  # there may be no GPU
    cudnn = torch.backends.cudnn
    before = cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32
    with kernels(torch.device("cuda"), *settings):
        assert cudnn.enabled is before[0] is True
        assert (cudnn.benchmark, cudnn.deterministic) == (by_trial, settings[0])
        assert cudnn.allow_tf32 == before[3]
    assert before == (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32)
