"""What no other beats in both cost and value."""

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """The places of points that no other beats in both: less cost and more value are better. The cheapest first.

    Of points that are the same in both, the first.
    """
    front: list[int] = []
    for place in sorted(range(len(costs)), key=lambda place: (costs[place], -values[place])):
        if not front or values[place] > values[front[-1]]:
            front.append(place)
    return front
