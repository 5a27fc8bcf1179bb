"""What `gpu.py` prints: its tables, and which lines of the documents its figures change."""

import statistics as stats
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
MOST = 8  # kernels that are shown
UNMEASURED = (
    "- On a GPU nothing has been measured yet; `python benchmarks/gpu.py --peer CHECKOUT/airbench94_muon.py` does it, "
    "in 11 minutes on an H200 ([what it does](benchmarks/README.md))."
)
STEPS = "on a GPU none of them has been measured yet."
AUTO = '        return "eager"\n    try:'


def report(rows: list[Row]) -> str:
    """Each part's last figures."""
    last = {row["name"]: row for row in rows}
    machine = rows[-1]
    lines = [
        "# On a GPU",
        "",
        f"{machine['device']}, torch {machine['versions']['torch']}, code {machine['code']}; {machine['images']}. By "
        "`benchmarks/gpu.py`, which says what is measured.",
        "",
        "| part | how it ended | seconds | the last that it printed |",
        "| --- | --- | --- | --- |",
    ]
    for row in last.values():
        printed = (row["tail"].strip().splitlines() or [""])[-1][:100].replace("|", "/")
        lines.append(f"| {row['name']} | {row['status']} | {row['seconds']:.0f} | {'' if row['found'] else printed} |")
    found = [document for row in last.values() for document in row["found"]]
    lines += _profiles([one for one in found if one.get("part") == "profile"])
    lines += _pieces([one for one in found if one.get("part") == "pieces"])
    lines += _runs([one for one in found if one.get("part") == "runs"])
    lines += ["", *(f"The last that {row['name']} printed:\n\n```\n{row['tail']}\n```\n" for row in _failed(last))]
    return "\n".join(lines) + "\n"


def _failed(last: dict[str, Row]) -> Iterable[Row]:
    return (row for row in last.values() if row["status"].startswith("failed"))


def _profiles(found: list[Row]) -> list[str]:
    if not found:
        return []
    lines = ["", "## A step", "", "| recipe | step | pixels | ms | launches | ms in kernels | reserved, GiB |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for one in found:
        kernels, memory = one["kernels"], one["reserved_bytes"]
        lines.append(
            f"| {one['recipe']} | {one['step']} | {one['side']} | {one['milliseconds']:.3f} "
            f"| {kernels['launches']:.0f} | {kernels['milliseconds']:.3f} "
            f"| {'' if memory is None else f'{memory / 2**30:.2f}'} |"
        )
    for one in found:
        if one["first"]:
            lines += ["", f"Kernels of a step of {one['recipe']}, {one['step']}, {one['side']} px:", ""]
            lines += ["| ms | launches | kernel |", "| --- | --- | --- |"]
            most = one["kernels"]["most"][:MOST]
            lines += [f"| {took:.3f} | {count:.0f} | `{key.replace('|', '/')}` |" for key, count, took in most]
    return lines


def _pieces(found: list[Row]) -> list[str]:
    if not found:
        return []
    table = [f"| {one['piece']} | {one['milliseconds']:.3f} |" for one in found]
    return ["", f"## Pieces of a run of {found[0]['recipe']}", "", "| piece | ms |", "| --- | --- |", *table]


def _runs(found: list[Row]) -> list[str]:
    if not found:
        return []
    lines = [
        "",
        "## Whole runs",
        "",
        "| recipe | step | accuracy | seconds, with the evaluations |",
        "| --- " * 4 + "|",
    ]
    for one in found:
        if "same" in one:
            lines.append(f"| {one['recipe']} | {one['step']} | {'the same' if one['same'] else 'not the same'} | |")
        else:
            lines.append(f"| {one['recipe']} | {one['step']} | {100 * one['accuracy']:.2f} | {one['seconds']:.2f} |")
    return lines


def advice(rows: list[Row], speedruns: list[Row]) -> list[tuple[str, str, str]]:
    """Document, what stands there, and what to say instead; of what has been measured, on real images."""
    if not rows or rows[-1]["images"].endswith("times only"):
        return []
    found = [document for row in {row["name"]: row for row in rows}.values() for document in row["found"]]
    device, said, changes = rows[-1]["device"], [], []
    whole = [one for one in found if one.get("part") == "runs" and "accuracy" in one]
    for one in sorted(whole, key=lambda one: one["seconds"])[:1]:
        said.append(f"`{one['recipe']}`: {100 * one['accuracy']:.2f} % in {one['seconds']:.1f} s ({one['step']})")
    names = list(dict.fromkeys(row["contender"] for row in speedruns))
    seconds = {}
    for name in names:
        mine = [row for row in speedruns if row["contender"] == name]
        accuracy = 100 * stats.mean(row["tta_accuracy"] for row in mine)
        seconds[name] = stats.mean(row["seconds"] + row["tta_seconds"] for row in mine)
        said.append(f"`{name}`: {accuracy:.2f} % over its views in {seconds[name]:.2f} s with them (n {len(mine)})")
    if said:
        table = "([table](benchmarks/results/gpu.md), [speedruns](benchmarks/results/speedrun-cuda.md))"
        changes.append(("README.md", UNMEASURED, f"- On {device}: {'; '.join(said)} {table}."))
    profiles = [one for one in found if one.get("part") == "profile" and one["first"]]
    if profiles:
        recipe, side = profiles[0]["recipe"], profiles[0]["side"]
        steps = {one["step"]: one for one in profiles if one["recipe"] == recipe}
        times = ", ".join(f"{one['milliseconds']:.2f} ms {step}" for step, one in steps.items())
        changes.append(("README.md", STEPS, f"on {device} a step of `{recipe}` at {side} px takes {times}."))
        best = min(steps, key=lambda step: float(steps[step]["milliseconds"]))
        ready = "captured" if best.startswith("compiled") else best  # compiling takes longer than most runs
        if ready != "eager":
            changes.append(("fastcifar/train/step/ways.py", AUTO, AUTO.replace("eager", ready)))
    return changes
