"""The choices: what a space prints, what a sample has, what is refused."""

import pytest
import torch
from torch import Tensor
from wrapped import wrapped

import fastcifar.nas.nn as nn
from fastcifar.nas import model_wrapper, space_of


class DepthwiseSeparableConv(nn.Module):
    def __init__(self, in_ch, out_ch):
        super().__init__()
        self.depthwise = nn.Conv2d(in_ch, in_ch, kernel_size=3, groups=in_ch)
        self.pointwise = nn.Conv2d(in_ch, out_ch, kernel_size=1)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


@model_wrapper
class ModelSpace(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.LayerChoice([nn.Conv2d(32, 64, 3, 1), DepthwiseSeparableConv(32, 64)])
        self.dropout1 = nn.Dropout(nn.ValueChoice([0.25, 0.5, 0.75]))
        self.dropout2 = nn.Dropout(0.5)
        feature = nn.ValueChoice([64, 128, 256])
        self.fc1 = nn.Linear(9216, feature)
        self.fc2 = nn.Linear(feature, classes)


PRINTED = """ModelSpace(
  (conv1): Conv2d(1, 32, kernel_size=(3, 3), stride=(1, 1))
  (conv2): LayerChoice([Conv2d(32, 64, kernel_size=(3, 3), stride=(1, 1)), DepthwiseSeparableConv(
    (depthwise): Conv2d(32, 32, kernel_size=(3, 3), stride=(1, 1), groups=32)
    (pointwise): Conv2d(32, 64, kernel_size=(1, 1), stride=(1, 1))
  )], label='model_1')
  (dropout1): Dropout(p=0.25, inplace=False)
  (dropout2): Dropout(p=0.5, inplace=False)
  (fc1): Linear(in_features=9216, out_features=64, bias=True)
  (fc2): Linear(in_features=64, out_features=10, bias=True)
)"""


def test_a_space_prints_as_in_nnis_tutorial():
    assert repr(ModelSpace()) == PRINTED
    assert space_of(ModelSpace()).entries == {
        "model_1": {"_type": "choice", "_value": ["0", "1"]},
        "model_2": {"_type": "choice", "_value": [0.25, 0.5, 0.75]},
        "model_3": {"_type": "choice", "_value": [64, 128, 256]},
    }


def test_a_sample_has_the_chosen_parts_and_no_others():
    space = space_of(ModelSpace(classes=7))
    for params in [space.space.decode(row) for row in space.space.points()]:
        network = space.network(params)
        deep = params["model_1"] == "1"
        names = ["conv2.depthwise", "conv2.pointwise"] if deep else ["conv2"]
        layers = ["conv1", *names, "fc1", "fc2"]
        assert list(network.state_dict()) == [f"{name}.{kind}" for name in layers for kind in ("weight", "bias")]
        assert network.dropout1.p == params["model_2"]
        assert network.fc1.out_features == network.fc2.in_features == params["model_3"]
        assert network.fc2.out_features == 7 and type(network) is ModelSpace


def test_torchs_own_names_are_torchs():
    assert nn.Linear is torch.nn.Linear and nn.Module is torch.nn.Module
    with pytest.raises(AttributeError):
        _ = nn.Lineal


def test_labels_are_in_order_or_given_and_one_label_is_one_choice():
    def construct(self):
        width = nn.ValueChoice([4, 8], label="width")
        self.a = nn.Linear(2, width)
        self.b = nn.Linear(width, nn.ValueChoice([4, 8], label="width") * 3)  # arithmetic is arithmetic
        self.c = nn.LayerChoice({"relu": nn.ReLU(), "none": nn.Identity()})

    space = wrapped(construct)
    assert {label: one.options for label, one in space.choices.items()} == {
        "width": (4, 8),
        "model_1": ("relu", "none"),
    }
    network = space.network({"width": 8, "model_1": "none"})
    assert (network.b.in_features, network.b.out_features) == (8, 24) and isinstance(network.c, nn.Identity)

    def contradicting(self):
        nn.ValueChoice([4, 8], label="width")
        nn.ValueChoice([4, 16], label="width")

    with pytest.raises(
        ValueError, match=r"label 'width': a value choice of \[4, 16\] here, but a value choice of \[4, 8\]"
    ):
        wrapped(contradicting)


@pytest.mark.parametrize(
    ("arguments", "chosen", "expected"),
    [
        ({"n_candidates": 3}, 1, 2.0),
        ({"n_candidates": 3, "n_chosen": 2}, [0, 2], 5.0),
        ({"n_candidates": 3, "n_chosen": 2, "reduction": "mean"}, [1, 2], 3.0),
        ({"n_candidates": 3, "n_chosen": None}, [0, 1, 2], 7.0),
    ],
)
def test_inputs_that_are_chosen_are_reduced(arguments, chosen, expected):
    space = wrapped(lambda self: setattr(self, "pick", nn.InputChoice(**arguments, label="in")))
    assert chosen in space.choices["in"].options
    values = [torch.full((2, 3), value) for value in (1.0, 2.0, 4.0)]
    assert space.network({"in": chosen}).pick(values).unique().tolist() == [expected]


def test_inputs_beside_each_other_and_too_few():
    space = wrapped(lambda self: setattr(self, "pick", nn.InputChoice(2, 2, "concat", label="in")))
    pick = space.network({"in": [0, 1]}).pick
    assert pick([torch.zeros(2, 3), torch.ones(2, 1)]).shape == (2, 4)
    with pytest.raises(ValueError, match="in: 2 inputs are needed, not 1"):
        pick([torch.zeros(2, 3)])
    space = wrapped(lambda self: setattr(self, "pick", nn.InputChoice(2, None, "none", label="in")))
    assert isinstance(space.network({"in": [1]}).pick([torch.zeros(1), torch.ones(1)])[0], Tensor)
    space = wrapped(lambda self: setattr(self, "pick", nn.InputChoice(2, 1, "none", label="in")))
    pick = space.network({"in": 1}).pick
    pick.mixture = torch.tensor([0.25, 0.75])  # as DARTS has it: a list as ever
    assert [one.tolist() for one in pick([torch.zeros(1), torch.ones(1)])] == [[0.75]]


def test_a_block_is_repeated_and_labels_stay():
    def construct(self):
        self.body = nn.Repeat(lambda i: nn.Linear(2, nn.ValueChoice([2], label=f"w{i}")), (0, 3), label="depth")
        self.tail = nn.Repeat(nn.Linear(2, 2), 2)
        self.last = nn.ValueChoice(["a", "b"])

    space = wrapped(construct)
    assert list(space.choices) == ["w0", "w1", "w2", "depth", "model_1"]
    for depth in range(4):
        network = space.network({"w0": 2, "w1": 2, "w2": 2, "depth": depth, "model_1": "b"})
        assert len(network.body) == depth and network.last == "b"
        assert network.tail[0].weight is not network.tail[1].weight


def test_a_model_in_a_model_is_one_space():
    @model_wrapper
    class Inner(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.layer = nn.Linear(width, nn.ValueChoice([1, 2]))

    space = wrapped(lambda self: setattr(self, "inner", Inner(nn.ValueChoice([3, 4]))))
    assert space.network({"model_1": 4, "model_2": 2}).inner.layer.weight.shape == (2, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: nn.ValueChoice([1, 2]),
            r"nn\.ValueChoice: a choice is made in the constructor of a class with @model_w",
        ),
        (lambda: nn.LayerChoice([nn.ReLU()]), r"nn\.LayerChoice: a choice is made in the constructor"),
        (lambda: nn.InputChoice(2), r"nn\.InputChoice: a choice is made"),
        (lambda: nn.Repeat(nn.ReLU(), (1, 2)), r"nn\.Repeat: a choice is made"),
        (lambda: nn.LayerChoice([]), r"nn\.LayerChoice: modules are needed, not \[\]"),
        (lambda: nn.LayerChoice([nn.ReLU]), r"nn\.LayerChoice: modules are needed"),
        (lambda: nn.ValueChoice([]), r"nn\.ValueChoice: a list of values is needed"),
        (lambda: nn.InputChoice(2, 3), r"nn\.InputChoice: 3 of 2 inputs cannot be chosen"),
        (lambda: nn.InputChoice(2, 1, "max"), r"nn\.InputChoice: reduction 'max' is none of sum"),
        (lambda: nn.InputChoice(60, None), r"1,152,921,504,606,846,975 subsets are too many"),
        (lambda: nn.Repeat(nn.ReLU(), (3, 2)), r"nn\.Repeat: a depth, or the least and the most"),
        (lambda: nn.Repeat([nn.ReLU()], 2), r"nn\.Repeat: 2 blocks are needed, not 1"),
        (lambda: nn.Repeat(lambda i: i, 2), r"nn\.Repeat: block 0 is no module but 0"),
    ],
)
def test_wrong_choices_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_samples_and_spaces_are_named():
    space = space_of(ModelSpace())
    with pytest.raises(ValueError, match=r"model_3: the sample .* has no such choice"):
        space.network({"model_1": "0", "model_2": 0.25})
    with pytest.raises(ValueError, match=r"model_2: 0.3 is none of"):
        space.network({"model_1": "0", "model_2": 0.3, "model_3": 64})
    with pytest.raises(ValueError, match="model_9: ModelSpace has no such choice; it has model_1, model_2, model_3"):
        space.network({"model_1": "0", "model_2": 0.25, "model_3": 64, "model_9": 1})
    with pytest.raises(
        ValueError, match="a model space is needed: an instance of a class with @model_wrapper, not ReLU"
    ):
        space_of(nn.ReLU())
    with pytest.raises(ValueError, match="Made: its constructor makes no choice"):
        wrapped(lambda self: None)
    with pytest.raises(ValueError, match=r"model_1: options are JSON values, such as numbers and text, not \[<class"):
        wrapped(lambda self: nn.ValueChoice([nn.ReLU, nn.GELU]))
    with pytest.raises(ValueError, match=r"label: 'model_1' is like the generated labels"):
        wrapped(lambda self: nn.ValueChoice([1, 2], label="model_1"))
    with pytest.raises(ValueError, match=r"label: text is needed, not 1"):
        wrapped(lambda self: nn.ValueChoice([1, 2], label=1))


def test_options_are_told_apart_by_type_and_tuples_stay_tuples():
    def construct(self):
        self.kernel = nn.ValueChoice([(3, 3), (5, 5)], label="kernel")
        self.flag = nn.ValueChoice([1, True], label="flag")

    space = wrapped(construct)
    network = space.network({"kernel": [5, 5], "flag": True})  # as JSON has it
    assert network.kernel == (5, 5) and network.flag is True


def test_a_choice_that_hangs_on_another_is_refused():
    def construct(self):
        if nn.ValueChoice([1, 2]) == 1:
            self.extra = nn.LayerChoice([nn.ReLU(), nn.GELU()])
        self.last = nn.LayerChoice([nn.Linear(1, 1), nn.Linear(1, 1)])

    space = wrapped(construct)
    with pytest.raises(ValueError, match=r"Made: which choices are made depends on another choice, in .*'model_1': 2"):
        space.network({"model_1": 2, "model_2": "0", "model_3": "1"})


def test_modules_that_are_given_are_each_networks_own():
    @model_wrapper
    class Around(nn.Module):
        def __init__(self, body):
            super().__init__()
            self.body, self.width = body, nn.ValueChoice([1, 2])

    body = nn.Linear(1, 1)
    space = space_of(Around(body))
    one, other = (space.network({"model_1": 1}) for _ in range(2))
    assert one.body is not other.body and one.body is not body


def test_a_class_derived_from_a_space_is_to_be_marked_too():
    class Derived(ModelSpace):
        pass

    with pytest.raises(ValueError, match="Derived: put @model_wrapper on it, too; it is on ModelSpace only"):
        Derived()
