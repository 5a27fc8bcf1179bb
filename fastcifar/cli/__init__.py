"""The command `fastcifar`."""

from fastcifar.cli.main import main, run

__all__ = ["main", "run"]
