"""The passes in PyTorch, as a user would write them and as an expert would."""

import numpy
import torch
from workloads import main, matrix


def inputs(n, d, r):
    signs = torch.ones(r)
    signs[r // 2 :] = -1
    x, w = torch.from_numpy(matrix(numpy, n, d)), torch.from_numpy(matrix(numpy, d, r))
    return x, w, signs, torch.ones(n)


def loss(x, w, a, y):
    q = (x @ w).square() @ a
    return (q - y).square().mean() / 4


def adam(**options):
    def make(n, d, r):
        x, w, a, y = inputs(n, d, r)
        w.requires_grad_()
        optimizer = torch.optim.Adam([w], lr=1e-3, **options)

        def step():
            optimizer.zero_grad()
            loss(x, w, a, y).backward()
            optimizer.step()

        return step

    return make


def autograd(n, d, r):
    x, w, a, y = inputs(n, d, r)
    w.requires_grad_()

    def gradient():
        w.grad = None
        loss(x, w, a, y).backward()

    return gradient


def gram(n, d, r):
    x, w, a, y = inputs(n, d, r)

    @torch.no_grad()
    def gradient():
        s = (w * a) @ w.T
        delta = ((x @ s) * x).sum(1) - y
        m = x.T @ (x * (delta / n)[:, None])
        return m @ w * a

    return gradient


def features(n, d, k):
    x, weights = torch.from_numpy(matrix(numpy, n, d)), torch.from_numpy(matrix(numpy, k, d))
    return lambda: (x @ weights.T).square_()


main(
    f"PyTorch {torch.__version__.split('+')[0]}",
    {
        "adam-step": {"fused Adam": adam(fused=True), "default Adam": adam()},
        "loss-and-gradient": {"Gram route by hand": gram, "autograd": autograd},
        "features": {"in place": features},
        "small-gradient": {"Gram route by hand": gram, "autograd": autograd},
    },
)
