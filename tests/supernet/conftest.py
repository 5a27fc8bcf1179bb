import pytest
from supernets import HELD_OUT

from fastcifar.data import split


@pytest.fixture(scope="module", autouse=True)
def small_holdout():
    """Of 1,000 images instead of 5,000, which every supernet of the tests is evaluated on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "HOLDOUT_SIZE", HELD_OUT)
        yield
