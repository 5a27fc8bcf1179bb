"""The function that the kept experiments search."""


def f(params, report):
    for step in range(3):
        report(params["x"] * (step + 1) / 3)
    return {"default": params["x"], "cost": 2 * params["x"]}
