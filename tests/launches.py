"""Counts what a GPU would be given, on torch's `meta` device: launches, and what waits for it or copies to it."""

from collections import Counter

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FREE = ("empty", "new_empty", "detach", "alias", "lift_fresh", "_unsafe_view", "_reshape_alias", "is_same_size")
WAITS = ("_local_scalar_dense", "item", "nonzero", "masked_select", "equal", "is_nonzero", "unique")


class Launches(TorchDispatchMode):
    """While it is entered: `count` of launches, `names` of them, and `waits`, the names of what should not be there.

    An operation is a launch, but for views and allocations; one on lists of tensors is one if torch has a kernel for
    the whole lists, which needs the same format, shapes and strides in all of them, else one for each tensor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()
        self.waits: list[str] = []

    @property
    def count(self) -> int:
        return sum(self.names.values())

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        tensors = [leaf for leaf in tree_leaves((args, kwargs or {})) if isinstance(leaf, Tensor)]
        if name in WAITS and any(tensor.is_meta for tensor in tensors):  # which fails on this device
            self.waits.append(name)
        found = func(*args, **(kwargs or {}))
        tensors += [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
        kinds = {tensor.device.type for tensor in tensors}
        if "meta" not in kinds:
            return found  # of the CPU's own
        if len(kinds) > 1:
            self.waits.append(name)
        if not func.is_view and not name.startswith(FREE):
            self.names[name] += self.kernels(name, args)
        return found

    @staticmethod
    def kernels(name: str, args) -> int:
        if not name.startswith("_foreach"):
            return 1
        lists = [arg for arg in args if isinstance(arg, (list, tuple)) and arg and isinstance(arg[0], Tensor)]
        alike = all(len({(t.shape, t.stride(), t.dtype) for t in group}) == 1 for group in zip(*lists, strict=True))
        formats = {tensor.dtype for group in lists for tensor in group}
        number = args[1] if len(args) > 1 and isinstance(args[1], Tensor) else lists[0][0]
        whole = alike and (len(formats) == 1 or "copy" in name) and number.dtype in formats
        return 1 if whole else len(lists[0])
