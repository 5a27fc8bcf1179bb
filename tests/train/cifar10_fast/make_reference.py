"""Make float64.npz and float32.npz with davidcpage/cifar10-fast's own code: 20 steps each, on the CPU.

    python make_reference.py CHECKOUT      # of github.com/davidcpage/cifar10-fast, at commit f79e8b8

Needs numpy, pandas and torch. Only the numbers are kept here, none of the code.
"""

import sys
from pathlib import Path

import inputs
import numpy as np
import torch

np.float = float  # a name that numpy has removed, for the old code
sys.path.insert(0, sys.argv[1])

import core  # noqa: E402
import dawn_utils  # noqa: E402
import torch_backend as theirs  # noqa: E402


def run(dtype: torch.dtype, peak_lr: float) -> dict[str, np.ndarray]:
    model = theirs.Network(dawn_utils.net(channels=inputs.CHANNELS)).to(dtype)
    for index, parameter in enumerate(model.parameters()):
        parameter.data.copy_(torch.from_numpy(inputs.weight(index, tuple(parameter.shape))))
    schedule = core.PiecewiseLinear([0, inputs.PEAK_EPOCH, inputs.TOTAL_EPOCH], [0, peak_lr, 0])
    optimizer = theirs.SGD(
        theirs.trainable_params(model).values(),
        {
            "lr": lambda step: schedule(step / inputs.STEPS_PER_EPOCH) / inputs.BATCH_SIZE,
            "weight_decay": core.Const(inputs.BASE_WD * inputs.BATCH_SIZE),
            "momentum": core.Const(inputs.MOMENTUM),
        },
    )
    state = {theirs.MODEL: model, theirs.LOSS: theirs.x_ent_loss, theirs.OPTS: [optimizer]}
    losses = []
    for step in range(inputs.STEPS):
        images, labels = (torch.from_numpy(x) for x in inputs.batch(step))
        theirs.reduce([{"input": images.to(dtype), "target": labels}], state, theirs.default_train_steps)
        losses.append(state[theirs.ACT_LOG]["loss"].mean())
    print(dtype, [round(float(loss), 4) for loss in losses])
    weights = {f"weight_{i}": parameter.detach().numpy() for i, parameter in enumerate(model.parameters())}
    norm = model.layer3_residual_res2_bn
    statistics = {"mean": norm.running_mean.numpy(), "var": norm.running_var.numpy()}
    return {"losses": np.array(losses), **statistics, **weights}


def main() -> None:
    for name, peak_lr in inputs.CASES.items():
        np.savez_compressed(Path(__file__).with_name(f"{name}.npz"), **run(getattr(torch, name), peak_lr))


main()
