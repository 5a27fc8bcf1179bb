from functools import cache
from importlib import import_module

import pytest


@pytest.fixture(scope="session", autouse=True)
def flops_counted_once():
    """The tests ask for those of the same 256 networks again and again."""
    plain = import_module("supernet_truth").flops_of
    counted = cache(lambda items: plain(dict(items)))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("supernet_truth", "supernet_judge"):
            patch.setattr(import_module(name), "flops_of", lambda params: counted(tuple(params.items())))
        yield
