"""Fast, believable training of CIFAR networks: `fastcifar.data`, `fastcifar.net`, `fastcifar.train`."""

import os

__version__ = "0.1.0"

# cuBLAS reads it in the process's first product on a GPU. Deterministic runs need it.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
