import numpy as np
import torch

from fastcifar.train.whiten import whitening_filters


def smooth_images(n: int) -> torch.Tensor:
    """Neighbouring pixels and the three colours go together, as in photographs."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(n, 3, 12, 12, generator=generator)
    mixed = torch.einsum("cd,ndhw->nchw", torch.tensor([[1.0, 0.5, 0.2], [0.5, 1.0, 0.4], [0.1, 0.3, 1.0]]), noise)
    return torch.nn.functional.avg_pool2d(mixed, 3, 1)


def test_filters_are_scaled_eigenvectors():
    images = smooth_images(20)
    filters = whitening_filters(images, 2)
    assert filters.shape == (24, 3, 2, 2) and torch.equal(filters[12:], -filters[:12])
    patches = np.array(
        [
            image[:, i : i + 2, j : j + 2].reshape(-1)
            for image in images.double().numpy()
            for i in range(9)
            for j in range(9)
        ]
    )
    moments = patches.T @ patches / len(patches)
    for row in filters[:12].reshape(12, 12).double().numpy():
        value = 1 / (row @ row) - 5e-4  # a filter is an eigenvector over the root of its eigenvalue
        np.testing.assert_allclose(moments @ row, value * row, atol=2e-4 * np.linalg.norm(row))


def test_what_comes_out_is_white():
    images = smooth_images(400)
    outputs = torch.nn.functional.conv2d(images, whitening_filters(images, 2))[:, :12]
    flat = outputs.permute(1, 0, 2, 3).flatten(1)
    covariance = flat @ flat.T / flat.shape[1]
    assert (covariance - torch.diag(covariance.diagonal())).abs().max() < 0.01
    assert covariance.diagonal().max() < 1.001  # directions with little in them are damped, none is blown up
