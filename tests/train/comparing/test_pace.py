from types import SimpleNamespace

import pytest

from fastcifar.train.comparing import pace


@pytest.mark.parametrize(("tta", "passes"), [("none", 3), ("six", 9)])
def test_how_long_a_run_takes(monkeypatch, recipe, tta, passes):
    """4 s up to the end of the first step, then 0.25 s a step: 60 steps of 32 images, 200 images to look at."""
    times = iter([10, 14, 14.25, 14.5, 14.75, 15.0, 15.25])
    monkeypatch.setattr(pace.time, "perf_counter", lambda: next(times))
    clock = pace._Clock("cpu")
    changed = recipe.with_params({"tta": tta, "sizes": {"16": 1}})  # a quarter of the work, in the first epoch
    hooks = clock.hooks()
    hooks.on_start(SimpleNamespace(recipe=changed, dataset={"train_images": 640, "valid_images": 200}), 0)
    with pytest.raises(pace._Enough):
        for step in range(20):
            hooks.progress(0, step)
    assert step == 4  # a second is enough
    assert clock.seconds() == pytest.approx(4 + 1.0 * 20 * 2.25 + passes * 200 * 1.0 / 32 / 3)


def test_what_is_left_of_each_run(recipe):
    begun = SimpleNamespace(epochs=[1, 2], recipe=recipe)
    assert pace.expected(9.0, [begun, None]) == pytest.approx([3.0, 9.0])
