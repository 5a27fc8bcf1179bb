"""Fast, believable training of CIFAR networks: `fastcifar.data`, `fastcifar.net`, `fastcifar.train`."""

__version__ = "0.1.0"
