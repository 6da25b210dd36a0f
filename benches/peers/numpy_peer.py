"""The passes in NumPy."""

import numpy
from workloads import main, matrix


def gram(n, d, r):
    x, w = matrix(numpy, n, d), matrix(numpy, d, r)
    a, y = numpy.ones(r, numpy.float32), numpy.ones(n, numpy.float32)
    a[r // 2 :] = -1

    def gradient():
        s = (w * a) @ w.T
        delta = numpy.einsum("ij,ij->i", x @ s, x) - y
        m = x.T @ (x * (delta / n)[:, None])
        return m @ w * a

    return gradient


def features(n, d, k):
    x, weights = matrix(numpy, n, d), matrix(numpy, k, d)

    def compute():
        z = x @ weights.T
        return numpy.square(z, out=z)

    return compute


main(
    f"NumPy {numpy.__version__}",
    {
        "loss-and-gradient": {"Gram route by hand": gram},
        "features": {"in place": features},
        "small-gradient": {"Gram route by hand": gram},
    },
)
