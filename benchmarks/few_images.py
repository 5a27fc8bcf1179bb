"""Few synthetic images instead of 60,000, for commands whose promise is not about how many there are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from fastcifar.data.synthetic import synthetic

FEW = (10, 5200, 200, 0)  # classes; images to train on (5,000 of them are held out), images to test on; seed
# Every Python that is started with a file of this content in its PYTHONPATH imports it.
SITECUSTOMIZE = f"""
import importlib.abc, importlib.util, sys

class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "fastcifar.data.synthetic":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            module.synthetic.__defaults__ = {FEW}

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Hook())
"""


@contextmanager
def few_synthetic(folder: Path) -> Iterator[None]:
    """`load("synthetic")` makes few images, in this process and in those that it starts.

    Puts a file into `folder`.
    """
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    with patch.object(synthetic, "__defaults__", FEW), patch.dict(os.environ, {"PYTHONPATH": path}):
        yield
