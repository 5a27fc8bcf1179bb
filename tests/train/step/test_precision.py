import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fastcifar.train.step import precision
from fastcifar.train.step.precision import PRECISIONS, fast_format, has_bf16_products, resolve_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("name", PRECISIONS[1:])
def test_formats(name):
    cpu, cuda = resolve_precision(name, CPU), resolve_precision(name, CUDA)
    half_weights = name in ("half", "O2", "O3")
    assert cpu.weights == (torch.bfloat16 if half_weights else torch.float32)
    assert cuda.weights == (torch.float16 if half_weights else torch.float32)
    assert cuda.batch_norm == (torch.float16 if name == "O3" else torch.float32)
    assert cuda.masters == cpu.masters == (name == "O2")
    assert cuda.autocast == (torch.float16 if name == "O1" else None)
    assert cuda.scale_loss == (name in ("O1", "O2")) and not cpu.scale_loss
    assert cuda.loss_scale == (64 if name == "half" else 1) and cpu.loss_scale == 1


def test_auto_follows_the_machine(monkeypatch):
    assert resolve_precision("auto", CUDA).name == "half"
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert resolve_precision("auto", CPU).name == "O2"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert has_bf16_products()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
    assert not has_bf16_products() and resolve_precision("auto", CPU).name == "O0"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert has_bf16_products()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    assert not has_bf16_products()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_AMX")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert has_bf16_products()
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not has_bf16_products()


def test_products_that_need_few_digits_are_in_what_the_gpu_has(monkeypatch):
    for capability, format in (((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, one=capability: one)
        assert fast_format(CUDA) == format
    for there, format in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(precision, "has_bf16_products", lambda there=there: there)
        assert fast_format(CPU) == format


@pytest.mark.slow  # bf16 is emulated
def test_training_without_bf16_hardware():
    """A process whose oneDNN may use AVX2 only, as on a CPU that has no more."""
    code = """
import torch
from coloured import coloured
from fastcifar.train import Recipe, train

widths = {"prep": 16, "layer1": 16, "layer2": 16, "layer3": 16}
recipe = Recipe(dataset="synthetic", **widths, batch_size=32, total_epoch=1, peak_lr=0.1)
for changes in ({}, {"network": "speednet", "prep": 64, "whiten": 2, "optimizer": "muon", "pool_first": True}):
    result = train(recipe.with_params(changes), coloured(320, 100), device="cpu")
    assert result.precision == "O0" and result.settings["step"] == "fused", result.precision
    assert result.epochs[-1].train_loss < 3
"""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)
