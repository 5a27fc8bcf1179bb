"""Spaces, for tests."""

NESTED = {
    "net": {
        "_type": "choice",
        "_value": [
            {"_name": "small"},
            {
                "_name": "big",
                "width": {"_type": "choice", "_value": [64, 128]},
                "wd": {"_type": "uniform", "_value": [0, 1]},
            },
            {
                "_name": "deep",
                "head": {
                    "_type": "choice",
                    "_value": [{"_name": "a", "z": {"_type": "randint", "_value": [0, 3]}}, {"_name": "b"}],
                },
            },
        ],
    },
    "lr": {"_type": "loguniform", "_value": [0.01, 1]},
}


def entry(kind, *args):
    return {"_type": kind, "_value": list(args)}
