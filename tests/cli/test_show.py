from types import SimpleNamespace

from fastcifar.cli import show


def test_the_progress_line(monkeypatch, capsys, recipe):
    """Ten steps a second, 20 steps an epoch, 3 epochs: what is said after step 6 of epoch 2."""
    now = iter(100 + 0.1 * i for i in range(1000))
    monkeypatch.setattr(show.time, "perf_counter", lambda: next(now))
    view = show.RunView(quiet=True)
    view.progress = True
    view.hooks().on_start(SimpleNamespace(recipe=recipe, dataset={"train_images": 640}), 0)
    for i in range(26):
        view.hooks().progress(i // 20, i % 20)
    last = capsys.readouterr().err.split("\r\x1b[K")[-1]
    assert last == "epoch 2/3, step 6/20, 320 images/s, 0:03 left"
