"""fp16 on a CPU as a GPU has it: products are summed in fp32 and rounded once. torch's own fp16 kernels take a second
for a step of a tiny network, on some CPUs.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

PRODUCTS = ("convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm")  # aten's


class EmulatedHalf(TorchDispatchMode):
    """Computes products of fp16 tensors inside; `largest` is the largest number that came out of one in a backward
    pass, infinite where one overflowed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        tensors = [arg for arg in args if isinstance(arg, torch.Tensor)]
        emulated = name in PRODUCTS and "out" not in (kwargs or {})
        if not emulated or not any(tensor.dtype == torch.half for tensor in tensors):
            return func(*args, **(kwargs or {}))
        result = func(*tree_map_only(torch.Tensor, torch.Tensor.float, args), **(kwargs or {}))
        result = tree_map_only(torch.Tensor, torch.Tensor.half, result)
        if name == "convolution_backward":
            found = [float(one.abs().max()) for one in result if one is not None and one.numel()]
            self.largest = max(self.largest, *(float("inf") if one != one else one for one in found))
        return result
