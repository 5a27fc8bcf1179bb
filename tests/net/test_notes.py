"""The network and the operations printed in the notes, character by character (blank lines apart)."""

from pathlib import Path

from fastcifar.net import Network, pipeline, resnet9

NOTES = Path(__file__).parent / "notes"
CHANNELS = {"prep": 64, "layer1": 112, "layer2": 256, "layer3": 384}


def test_baseline_prints_as_in_the_notes() -> None:
    net = resnet9(CHANNELS, extra_layers={"layer1": 2, "layer3": 2}, res_layers=(), num_classes=100)
    assert f"{Network(net)}\n" == (NOTES / "network.txt").read_text()


def test_operations_are_those_of_the_notes() -> None:
    net = resnet9(CHANNELS, res_layers=("layer1", "layer3"), num_classes=100)
    listed = ",\n ".join(repr(operation) for operation in pipeline(net))
    assert f"[{listed}]\n" == (NOTES / "operations.txt").read_text()
