"""Holds searchers, assessors, evaluators and engines, a user's own too, against their contracts.

Each check is a function that raises BrokenContract (an AssertionError), which names the rule and what was found.
"""

from typing import TYPE_CHECKING

from fastcifar.lazy import lazy

if TYPE_CHECKING:
    from fastcifar.testing.assessor import check_assessor
    from fastcifar.testing.contract import BrokenContract
    from fastcifar.testing.engine import check_engine
    from fastcifar.testing.evaluator import check_evaluator
    from fastcifar.testing.made_spaces import finite_spaces, spaces
    from fastcifar.testing.play import Work
    from fastcifar.testing.searcher import check_searcher

__all__ = [
    "BrokenContract",
    "Work",
    "check_assessor",
    "check_engine",
    "check_evaluator",
    "check_searcher",
    "finite_spaces",
    "spaces",
]

HOMES = {  # where the names are, as the imports above say it to type checkers
    "assessor": "check_assessor",
    "contract": "BrokenContract",
    "engine": "check_engine",
    "evaluator": "check_evaluator",
    "made_spaces": "finite_spaces spaces",
    "play": "Work",
    "searcher": "check_searcher",
}


__getattr__ = lazy(__name__, HOMES, globals())
