import speedrun
import techniques

from fastcifar.train import named_recipe


def row(**values):
    common = {"device": "a CPU", "threads": 2, "fingerprint": "0" * 64, "canonical": False, "torch": "2", "images": 10}
    return {**common, "versions": {"torch": "2"}, "tta_seconds": 10.0, **values}


def test_the_table_of_speedruns():
    rows = [
        row(contender=name, seed=seed, accuracy=accuracy, tta_accuracy=accuracy + 0.01, seconds=seconds)
        for seed in (1, 2, 3)
        for name, accuracy, seconds in (("theirs", 0.88 + seed / 1000, 390.0), ("ours", 0.885 + seed / 1000, 190.0))
    ]
    text = speedrun.report(rows, "theirs")
    assert "| ours | 3 | 88.70, sd 0.10 | 89.70, sd 0.10 | 190.00, sd 0.00 | 200.00, sd 0.00 |" in text
    assert "ours (n 3): +0.50 points over the views, 95 % interval +0.50 to +0.50: not inferior by 0.2 points" in text
    assert "in 0.50 of its time" in text
    worse = [
        {**r, "tta_accuracy": r["tta_accuracy"] - (0.004 + r["seed"] / 1000 if r["contender"] == "ours" else 0)}
        for r in rows
    ]
    assert "not shown to be within" in speedrun.report(worse, "theirs")


def test_every_technique_of_a_recipe_can_be_switched_off():
    found = techniques.variants(named_recipe("speedrun94-cpu"))
    assert next(iter(found)) == techniques.WHOLE and len({*found.values()}) == len(found) == 15
    assert "averaging" not in found  # this recipe has none
    assert "averaging" in techniques.variants(named_recipe("speedrun95"))


def test_the_table_of_techniques():
    rows = [
        row(technique=name, seed=seed, accuracy=a, tta_accuracy=a + 0.01, seconds=s)
        for seed in range(3)
        for name, a, s in ((techniques.WHOLE, 0.9, 100.0), ("whitening", 0.88 + seed / 1000, 80.0))
    ]
    text = techniques.report(rows, "mine")
    assert "| whitening | 3 | +1.90 | " in text and "| +25 % | +25 to +25 % |" in text
    assert "| the views at test time | 3 | +1.00 |" in text and "| +10 % |" in text
