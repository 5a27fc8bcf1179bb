"""What both programs start from: weights, images, labels and settings, the same on every machine."""

import math

import numpy as np

CHANNELS = {"prep": 4, "layer1": 8, "layer2": 12, "layer3": 16}
STEPS, BATCH_SIZE, STEPS_PER_EPOCH = 20, 64, 4
PEAK_EPOCH, TOTAL_EPOCH = 2, 6
MOMENTUM, BASE_WD = 0.9, 5e-4
# At the recipe's own rate rounding grows a thousandfold in a few steps (a maximum or a sign that is nearly tied falls
# the other way), in either program alone when its thread count changes. So that rate is compared in float64, where
# nothing but the method can differ, and float32 at a rate that leaves rounding small.
CASES = {"float64": 0.4, "float32": 0.0005}  # format -> peak rate


def random(seed: int, *shape: int) -> np.ndarray:
    """Uniform in [-1, 1), float32, from raw bits, which numpy keeps as they are."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return (2 * generator.random(math.prod(shape)) - 1).astype(np.float32).reshape(shape)


def weight(index: int, shape: tuple[int, ...]) -> np.ndarray:
    """The first value of the parameter tensor number `index`."""
    if len(shape) == 1:  # batch norm: scale near 1, bias near 0
        return random(100 + index, *shape) / 10 + (index % 3 == 1)
    return random(100 + index, *shape) / math.sqrt(math.prod(shape[1:]))


def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (64, 3, 32, 32) and labels (64,); the labels can be learned from the images' brightness."""
    images = random(1000 + step, BATCH_SIZE, 3, 32, 32)
    labels = (np.arange(BATCH_SIZE) + step) % 10
    return images + (labels / 10 - 0.45)[:, None, None, None].astype(np.float32), labels.astype(np.int64)
