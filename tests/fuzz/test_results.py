"""What trials, files and other processes give a search, at random: it goes on, and all of it can be shown."""

import json
import random
import warnings
from contextlib import closing
from functools import partial

import pytest
from experiments import FITS, SPACE
from fuzzing import changed, odd_value, spoilt
from scripted import Scripted, plan

from fastcifar.experiment.engines.base import result_of
from fastcifar.experiment.exchange.export import to_csv, to_json
from fastcifar.experiment.exchange.importing import import_trials
from fastcifar.experiment.gate import metrics_of
from fastcifar.experiment.loop import Driver, Limits
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.requests import Requests, ask
from fastcifar.experiment.store.store import Store

WORDS = (b"[" * 300, b"{", b"\xff", b"\0", b'"', b"\n", b"9" * 400, b",", b"NaN", b"-1", b"null", b"1e400", b"=1+1")
RESULT = {"default": 0.5, "flops": 3, "net": {"k": [1, 2]}, "name": "a"}


@pytest.mark.fuzz(150)
def test_results(cases, tmp_path):
    """Each trial ends, and the search with the last one; a resume takes up all of them."""
    draw = random.Random(10)

    def script(trial):
        if draw.random() < 0.3:
            yield draw.choice((0.5, float("nan"), float("inf"), 10**400, "x"))
        value = changed(RESULT, draw) if draw.random() < 0.8 else odd_value(draw)
        if isinstance(value, dict) and "default" in value:
            return value
        return value if isinstance(value, (int, float, str)) else 1.0

    with closing(Store.create(tmp_path, {})) as store:
        driver = Driver(store, plan(limits=Limits(trials=cases)), Scripted(script), lambda driver: None)
        driver.search()
        assert len(driver.rows) == cases and not driver.running
        assert json.dumps([row.params for row in store.trials()])
        states = {row.state for row in store.trials()}
        assert states == {"finished", "failed"}
        to_csv(store.trials()).encode()
        assert len(json.loads(to_json(store.trials(), store.reports()))) == cases
        again = Driver(store, plan(limits=Limits(trials=cases)), Scripted(script), lambda driver: None)
        assert [row.value for row in again.rows.values()] == [row.value for row in driver.rows.values()]


@pytest.mark.fuzz(300)
def test_metrics(cases, answer):
    draw = random.Random(11)
    for _ in range(cases):
        value = changed(RESULT, draw) if draw.random() < 0.5 else odd_value(draw, 5)
        found = answer(lambda value=value: result_of(value))
        if found is not None:
            kept, said = metrics_of(found[1])
            assert json.loads(json.dumps(kept)).keys() == kept.keys() and json.dumps(kept, ensure_ascii=False).encode()
            assert len(said) < 200 and said.isprintable()


@pytest.mark.fuzz(40)
def test_imports(cases, answer, tmp_path):
    draw = random.Random(12)
    file = tmp_path / "entries"
    entries = [{"parameter": {**FITS, "x": x}, "value": x, "seed": 3, "started": 1.0, "ended": 2.0} for x in (0.1, 0.2)]
    table = "value,x,params/seed,net/_name,net/w,seed\n1,0.5,1,a,3,7\n2,0.25,1,b,,8\n"
    taken = 0
    for number in range(cases):
        folder = tmp_path / str(number // 50)  # a new one now and then, as trials become many
        if number % 50 == 0:
            folder.mkdir()
            Store.create(folder, {"spec": Spec(space=SPACE, trials=5).to_dict()}).close()
        content = json.dumps(changed(entries, draw)).encode() if number % 3 else table.encode()
        file.write_bytes(spoilt(content, draw, WORDS) if number % 3 != 1 else content)
        with closing(Store.read(folder)) as store:
            before = len(store.trials()), store.meta()["spec"]["trials"]
        found = answer(partial(import_trials, folder, file), file)
        with closing(Store.read(folder)) as store:
            after = len(store.trials()), store.meta()["spec"]["trials"]
            added = 0 if found is None else found.added
            assert after == (before[0] + added, before[1] + added)
            json.loads(to_json(store.trials(), store.reports()))
            to_csv(store.trials()).encode()
        taken += found is not None
    assert taken > cases / 20


@pytest.mark.fuzz(200)
def test_requests(cases, tmp_path):
    """Whatever is asked for is done or passed over, and what follows it is done."""
    draw = random.Random(13)
    requests = Requests(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(cases):
            good = draw.choice(({"kill": 3}, {"update": {"trials": 5, "seconds": 1.5}}, {"stop": True, "now": False}))
            line = json.dumps(changed(good, draw)).encode()
            line = spoilt(line, draw, WORDS) if number % 3 == 0 else line
            with requests.path.open("ab") as file:
                file.write(line + b"\n")
            ask(tmp_path, good)
            found = requests.new()
            assert found and found[-1] == good
            assert all(isinstance(one.get("kill", 0), int) for one in found)
            assert all(0 < value < 2**63 for one in found for value in one.get("update", {}).values())
