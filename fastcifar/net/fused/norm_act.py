"""Batch norm, activation and max pooling as one operation with its own backward, on a CPU."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastcifar.net.fused.library import load_kernels

MIN_CHANNELS = 16
FORMATS = (torch.float32, torch.bfloat16)
ACTIVATION_CODES: dict[type[nn.Module], int] = {nn.Identity: 0, nn.ReLU: 1, nn.GELU: 2, nn.SiLU: 3}


class _NormAct(torch.autograd.Function):
    """pool(activation((x - mean) / deviation * weight + bias)), with x's own statistics unless others are given."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        eps: float,
        activation: int,
        pool: bool,
        own: bool,
    ) -> Tensor:
        invstd = torch.rsqrt(variance + eps)
        scale = weight.float() * invstd
        shift = torch.addcmul(bias.float(), mean, scale, value=-1)
        z, index = _forward(x, scale, shift, activation, pool)
        ctx.save_for_backward(x, index, scale, shift, mean, invstd)
        ctx.activation, ctx.own, ctx.formats = activation, own, (weight.dtype, bias.dtype)
        return z

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, index, scale, shift, mean, invstd = ctx.saved_tensors
        dz = _dense(gradients[0])
        totals = torch.empty(2, x.shape[1], dtype=torch.float64)
        _call("fc_backward_sums", x, ctx.activation, dz, index, scale, shift, mean, totals)
        d_bias, d_weight = totals[0].float(), totals[1].float() * invstd
        on_x, constant = torch.zeros_like(mean), torch.zeros_like(mean)
        if ctx.own:  # the mean and the variance depend on x as well
            pixels = x.numel() // x.shape[1]
            on_x = -scale * invstd * d_weight / pixels
            constant = -scale * d_bias / pixels - on_x * mean
        dx = torch.empty_like(x)
        _call("fc_backward", x, ctx.activation, dz, index, scale, shift, on_x, constant, dx)
        return dx, d_weight.to(ctx.formats[0]), d_bias.to(ctx.formats[1]), *[None] * 6


class _Pool(torch.autograd.Function):
    """2x2 max pooling."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ones, zeros = (torch.full((x.shape[1],), v, dtype=torch.float32) for v in (1.0, 0.0))
        z, index = _forward(x, ones, zeros, ACTIVATION_CODES[nn.Identity], True)
        ctx.save_for_backward(index)  # not x, which is large
        ctx.shape = x.shape
        return z

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (index,) = ctx.saved_tensors
        dz = _dense(gradients[0])
        dx = torch.empty(ctx.shape, dtype=dz.dtype, memory_format=torch.channels_last)
        n, c, h, w = ctx.shape
        pointers = dz.data_ptr(), index.data_ptr(), dx.data_ptr()
        load_kernels().fc_unpool(dz.dtype == torch.bfloat16, *pointers, n, h, w, c, torch.get_num_threads())
        return dx


@dataclass(frozen=True)
class NormAct:
    """`norm`, `activation` and, if `pool`, 2x2 max pooling in one operation; images are channels last."""

    norm: nn.BatchNorm2d
    activation: int
    pool: bool

    def __call__(self, x: Tensor) -> Tensor:
        norm, x = self.norm, _dense(x)
        for hook in norm._forward_pre_hooks.values():  # the norm is not called, but who watches its input is told
            hook(norm, (x,))
        own = norm.training
        if own:
            mean, variance = _moments(x)
            _track(norm, mean, variance, x.numel() // x.shape[1])
        else:
            assert norm.running_mean is not None and norm.running_var is not None
            mean, variance = norm.running_mean.float(), norm.running_var.float()
        statistics = mean, variance, norm.eps
        z: Tensor = _apply(_NormAct, x, norm.weight, norm.bias, *statistics, self.activation, self.pool, own)
        return z


def pool(x: Tensor) -> Tensor:
    """2x2 max pooling of (N, C, H, W), channels last."""
    if x.shape[1] < MIN_CHANNELS:
        return F.max_pool2d(x, 2)
    z: Tensor = _apply(_Pool, _dense(x))
    return z


def _apply(function: Any, *arguments: Any) -> Any:  # torch's `apply` has no types
    return function.apply(*arguments)


def _forward(x: Tensor, scale: Tensor, shift: Tensor, activation: int, pool: bool) -> tuple[Tensor, Tensor | None]:
    n, c, h, w = x.shape
    shape = (n, c, h // 2, w // 2) if pool else (n, c, h, w)
    z = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
    index = torch.empty(shape, dtype=torch.uint8, memory_format=torch.channels_last) if pool else None
    _call("fc_forward", x, activation, scale, shift, z, index)
    return z, index


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    channels = x.shape[1]
    if x.numel() < 2 * channels:
        raise ValueError(f"batch norm needs more than one value of each channel to train, not {tuple(x.shape)}")
    mean, variance = (torch.empty(channels, dtype=torch.float32) for _ in range(2))
    half, threads = x.dtype == torch.bfloat16, torch.get_num_threads()
    pointers = x.data_ptr(), x.numel() // channels, channels, mean.data_ptr(), variance.data_ptr()
    load_kernels().fc_moments(half, *pointers, threads)
    return mean, variance


@torch.no_grad()
def _track(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, pixels: int) -> None:
    """Update the running statistics as torch's batch norm does."""
    assert norm.running_mean is not None and norm.running_var is not None and norm.momentum is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), norm.momentum)
    unbiased = variance * (pixels / max(1, pixels - 1))
    norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), norm.momentum)


def _call(name: str, x: Tensor, activation: int, *tensors: Tensor | None) -> None:
    n, c, h, w = x.shape
    pointers = [x.data_ptr(), *[None if tensor is None else tensor.data_ptr() for tensor in tensors]]
    getattr(load_kernels(), name)(x.dtype == torch.bfloat16, activation, *pointers, n, h, w, c, torch.get_num_threads())


def _dense(x: Tensor) -> Tensor:
    if x.dtype not in FORMATS or x.device.type != "cpu" or x.shape[1] < MIN_CHANNELS:
        raise ValueError(
            f"the kernels take float or bfloat16 on a CPU, at least {MIN_CHANNELS} channels, not {x.shape}"
        )
    return x.contiguous(memory_format=torch.channels_last)
