"""Number formats of a run: the opt levels of NVIDIA's apex by their names, and `half`, the mode of cifar10-fast."""

import os
from dataclasses import dataclass

import torch

ISA_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")  # oneDNN's
HALF_LOSS_SCALE = 64.0  # with 1, most gradients of activations are so small that fp16 has few bits for them
BF16_CAPABILITY = (8, 0)  # of the first GPUs that multiply bf16 numbers
PRECISIONS = ("auto", "half", "O0", "O1", "O2", "O3")


@dataclass(frozen=True, kw_only=True)
class Precision:
    """The number formats of a run.

    images, weights, batch_norm: formats of the input, of the weights that the network computes with, and of the batch
        norms' weights and statistics.
    masters: whether the optimizer works on fp32 copies of the weights.
    autocast: format that torch.autocast chooses for matrix products, or None.
    scale_loss: whether the loss is scaled dynamically, which keeps fp16 gradients from vanishing.
    loss_scale: constant factor of the loss and so of all gradients; the optimizer divides by it. A power of two.
    """

    name: str
    images: torch.dtype
    weights: torch.dtype
    batch_norm: torch.dtype
    masters: bool = False
    autocast: torch.dtype | None = None
    scale_loss: bool = False
    loss_scale: float = 1.0


def resolve_precision(name: str, device: torch.device) -> Precision:
    """The formats that `name` means on `device`: half formats are fp16 on CUDA and bf16 on a CPU.

    `auto` is `half` on CUDA. On a CPU it is O2 where bf16 products have hardware and O0 elsewhere: without it bf16 is
    slower than fp32, and bf16 without fp32 master copies loses the small steps at the end of a schedule.
    """
    if name == "auto":
        name = "half" if device.type == "cuda" else ("O2" if has_bf16_products() else "O0")
    low = torch.float16 if device.type == "cuda" else torch.bfloat16
    fp16 = low == torch.float16
    fp32 = torch.float32
    modes = {
        "half": Precision(
            name="half", images=low, weights=low, batch_norm=fp32, loss_scale=HALF_LOSS_SCALE if fp16 else 1.0
        ),
        "O0": Precision(name="O0", images=fp32, weights=fp32, batch_norm=fp32),
        "O1": Precision(name="O1", images=low, weights=fp32, batch_norm=fp32, autocast=low, scale_loss=fp16),
        "O2": Precision(name="O2", images=low, weights=low, batch_norm=fp32, masters=True, scale_loss=fp16),
        "O3": Precision(name="O3", images=low, weights=low, batch_norm=low),
    }
    return modes[name]


def fast_format(device: torch.device) -> torch.dtype:
    """The format of products that need few digits: bf16 where there is hardware for it, else fp16 on a GPU, or fp32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= BF16_CAPABILITY else torch.float16
    return torch.bfloat16 if has_bf16_products() else torch.float32


def has_bf16_products() -> bool:
    """Whether this CPU multiplies bf16 numbers in hardware (AMX or AVX512-BF16), and oneDNN is allowed to use it."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "ALL")).upper()
    tiles = torch.cpu._is_amx_tile_supported() and (limit in ("ALL", "DEFAULT") or "AMX" in limit)
    return tiles or (torch.cpu._is_avx512_bf16_supported() and limit not in ISA_WITHOUT_BF16)
