import pytest
from made_results import made

from fastcifar.train import Hooks, summarise, train
from fastcifar.train.comparing.pace import warm


def test_a_summary_worked_by_hand():
    summary = summarise([made(0, 0.93, train=1), made(1, 0.94, train=2), made(2, 0.95, train=6)], target=0.94)
    assert (summary.runs, summary.diverged) == (3, ())
    assert summary.accuracy.mean == pytest.approx(0.94) and summary.accuracy.sd == pytest.approx(0.01)
    assert summary.accuracy.half == pytest.approx(4.302653 * 0.01 / 3**0.5)
    means = {part: estimate.mean for part, estimate in summary.seconds.items()}
    assert means == pytest.approx({"prepare": 0.5, "train": 3, "tta": 0, "evaluate": 0.25, "counted": 3.5})
    assert (summary.reached.count, summary.reached.n) == (2, 3)


def test_a_target_of_one_digit_is_reached_exactly():
    assert summarise([made(0, 9410 / 10_000)] * 2, target=94.1 / 100).reached.count == 2
    assert summarise([made(0, 9409 / 10_000)] * 2, target=94.1 / 100).reached.count == 0


def test_views_are_what_counts():
    summary = summarise([made(0, 0.92, tta_acc=0.94, tta=1), made(1, 0.93, tta_acc=0.95, tta=1)], target=0.94)
    assert (summary.accuracy.mean, summary.valid_acc.mean) == pytest.approx((0.945, 0.925))
    assert summary.reached.count == 2 and summary.seconds["counted"].mean == 3.5


def test_runs_that_diverged_count_as_not_reaching_it():
    results = [made(0, 0.95), made(1, 0.95), made(2, 0.99, status="diverged"), made(3, 0.99, status="interrupted")]
    summary = summarise(results, target=0.94)
    assert (summary.runs, summary.diverged, summary.accuracy.n, summary.accuracy.mean) == (3, (2,), 2, 0.95)
    assert (summary.reached.count, summary.reached.n) == (2, 3)


def test_no_run_at_all():
    document = summarise([]).to_dict()
    assert document["runs"] == 0 and document["accuracy"]["mean"] is None and document["reached"] is None


@pytest.mark.parametrize("target", [0, 94, -0.5])
def test_a_target_is_a_share(target):
    with pytest.raises(ValueError, match="an accuracy is a share of 1"):
        summarise([], target=target)


def test_warming_leaves_nothing_and_changes_nothing(recipe, images, tmp_path):
    steps = []
    hooks = Hooks(progress=lambda epoch, step: steps.append(step))
    recipe = recipe.with_params({"total_epoch": 1})
    before = train(recipe, images, device="cpu", hooks=hooks)
    warm(recipe, images, device="cpu", out=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert train(recipe, images, device="cpu").epochs[0].train_loss == before.epochs[0].train_loss and len(steps) == 20
