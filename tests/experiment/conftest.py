import pytest
from scripted import Scripted, plain, plan

from fastcifar.experiment.loop import Driver
from fastcifar.experiment.store.store import Store


@pytest.fixture
def search(tmp_path):
    """Makes a driver over the store in the test's folder, new or not, and lets it search."""

    def make(engine=None, watch=lambda driver: None, run=True, **changes):
        exists = (tmp_path / "experiment.db").exists()
        store = Store.open(tmp_path) if exists else Store.create(tmp_path, {})
        driver = Driver(store, plan(**changes), engine or Scripted(plain), watch)
        if run:
            driver.search()
        return driver

    return make
