"""The passes in PyTorch, as a user would write them and as an expert would."""

import numpy
import torch
from workloads import BETA1, BETA2, BLOCK, EPS, LR, blocks, forms, layer, main, network, threads, weighted

torch.set_num_threads(threads())


def mkl(a, b, out=None):
    """a @ b."""
    return torch.mm(a, b, out=out)


def onednn(a, b, out=None):
    """a @ b by oneDNN, in a new tensor. What PyTorch takes for f32, MKL, holds back on processors that are not Intel's."""
    return torch.ops.mkldnn._linear_pointwise(a, b.T, None, "none", [], "")


def tensors(arrays):
    return map(torch.from_numpy, arrays)


def loss(x, w, a, y):
    q = (x @ w).square() @ a
    return (q - y).square().mean() / 4


def optimizer(w, **options):
    w.requires_grad_()
    return torch.optim.Adam([w], lr=LR, betas=(BETA1, BETA2), eps=EPS, **options)


def adam(**options):
    def make(n, d, r):
        x, w, a, y = tensors(network(numpy, n, d, r))
        rule = optimizer(w, **options)

        def step():
            rule.zero_grad()
            loss(x, w, a, y).backward()
            rule.step()
            return w.detach()

        return step

    return make


def adam_by_hand(product):
    """The gradient without autograd, the update by PyTorch's own fused Adam."""

    def make(n, d, r):
        x, w, a, y = tensors(network(numpy, n, d, r))
        rule = optimizer(w, fused=True)

        @torch.no_grad()
        def step():
            u = product(x, w)
            delta = u.square() @ a - y
            w.grad = product(x.T, u.mul_(a).mul_((delta / n)[:, None]))
            rule.step()
            return w.detach()

        return step

    return make


def autograd(n, d, r):
    x, w, a, y = tensors(network(numpy, n, d, r))
    w.requires_grad_()

    def loss_and_gradient():
        w.grad = None
        value = loss(x, w, a, y)
        value.backward()
        return value.detach(), w.grad

    return loss_and_gradient


def gram(product):
    def make(n, d, r):
        x, w, a, y = tensors(network(numpy, n, d, r))
        out = torch.empty(min(n, BLOCK), d)

        def loss_and_gradient():
            signed = w * a
            s = product(signed, w.T)
            squares, m = 0.0, torch.zeros(d, d)
            for rows in blocks(n):
                t = product(x[rows], s, out=out[: len(x[rows])])
                delta = t.mul_(x[rows]).sum(1).sub_(y[rows])
                squares += delta.square().sum()
                m += product(x[rows].T, torch.mul(x[rows], (delta / n)[:, None], out=t))
            return squares / (4 * n), product(m, signed)

        return loss_and_gradient

    return make


def quadratic_forms(product):
    def make(n, d, r):
        x, s = tensors(forms(numpy, n, d, r))
        q, out = torch.empty(n), torch.empty(min(n, BLOCK), d)

        def compute():
            for rows in blocks(n):
                t = product(x[rows], s, out=out[: len(x[rows])])
                torch.sum(t.mul_(x[rows]), 1, out=q[rows])
            return q

        return compute

    return make


def weighted_gram(product):
    def make(n, d, r):
        x, v = tensors(weighted(numpy, n, d, r))
        out = torch.empty(min(n, BLOCK), d)

        def compute():
            m = torch.zeros(d, d)
            for rows in blocks(n):
                m += product(x[rows].T, torch.mul(x[rows], v[rows, None], out=out[: len(x[rows])]))
            return m

        return compute

    return make


def features(product):
    def make(n, d, k):
        x, weights = tensors(layer(numpy, n, d, k))
        z = torch.empty(n, k)

        def compute():
            for rows in blocks(n):
                t = product(x[rows], weights.T, out=z[rows])
                torch.square(t, out=z[rows])
            return z

        return compute

    return make


def by_hand(make):
    """A pass with both matrix products."""
    have = hasattr(torch.ops.mkldnn, "_linear_pointwise") and torch.backends.mkldnn.is_available()
    return {"by hand": make(mkl), "by hand, oneDNN": make(onednn) if have else "PyTorch was built without oneDNN"}


main(
    numpy,
    f"PyTorch {torch.__version__.split('+')[0]}",
    {
        "adam-step": {"fused Adam": adam(fused=True), "default Adam": adam()} | by_hand(adam_by_hand),
        "loss-and-gradient": {"autograd": autograd} | by_hand(gram),
        "quadratic-forms": by_hand(quadratic_forms),
        "weighted-gram": by_hand(weighted_gram),
        "features": by_hand(features),
        "small-gradient": {"autograd": autograd} | by_hand(gram),
    },
    torch.get_num_threads,
)
