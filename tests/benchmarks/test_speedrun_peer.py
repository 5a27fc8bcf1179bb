from pathlib import Path

import pytest
import torch
from coloured import coloured
from speedrun_peer import Peer, _Normalize


def test_another_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "airbench94_muon.py"
    path.write_text("raise SystemExit\n")
    with pytest.raises(ValueError, match=r"airbench94_muon\.py: not the airbench94_muon.py that is known: SHA-256"):
        Peer(path, coloured(2000, 10), torch.device("cpu"))


def test_fewer_images_than_its_batch(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batches of 2000 images, and there are 640"):
        Peer(tmp_path / "none", coloured(640, 10), torch.device("cpu"))


def test_normalize() -> None:
    images = torch.tensor([[[[0.5, 1.0]], [[0.25, 0.0]]]])  # (1, 2, 1, 2)
    normalize = _Normalize(torch.tensor((0.5, 0.25)), torch.tensor((0.5, 0.25)))
    assert normalize(images).tolist() == [[[[0.0, 1.0]], [[0.0, -1.0]]]]
