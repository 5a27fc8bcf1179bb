"""A NAS space of a few lines."""

import fastcifar.nas.nn as nn
from fastcifar.nas import model_wrapper, space_of


def wrapped(construct):
    """The space of a class with this constructor."""

    @model_wrapper
    class Made(nn.Module):
        def __init__(self):
            super().__init__()
            construct(self)

    return space_of(Made())
