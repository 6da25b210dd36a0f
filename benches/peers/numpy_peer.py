"""The passes in NumPy."""

import os
import pathlib
import sys

import numpy
from workloads import BLOCK, blocks, forms, layer, main, network, weighted


def openblas():
    """What NumPy's OpenBLAS says of itself, or None."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return None
    return next((library for library in threadpool_info() if library["internal_api"] == "openblas"), None)


def with_the_right_kernels():
    """Starts over with AVX-512 kernels if this CPU has them and OpenBLAS was told otherwise or does not know the CPU."""
    library, cpuinfo = openblas(), pathlib.Path("/proc/cpuinfo")
    avx512 = cpuinfo.exists() and "avx512f" in cpuinfo.read_text()
    without = library is not None and library["architecture"] in ("Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen")
    if avx512 and without and os.environ.get("OPENBLAS_CORETYPE") != "SkylakeX":
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"
        os.execv(sys.executable, [sys.executable, *sys.argv])


def note():
    """Which kernels are measured."""
    library = openblas()
    if library is None:
        return "NumPy may be slower than it can be: with threadpoolctl installed, OpenBLAS gets the right kernels"
    chosen = "told by OPENBLAS_CORETYPE" if os.environ.get("OPENBLAS_CORETYPE") else "its own choice"
    return f"NumPy's OpenBLAS {library['version']} uses its {library['architecture']} kernels ({chosen})"


def gram(n, d, r):
    x, w, a, y = network(numpy, n, d, r)
    out = numpy.empty((min(n, BLOCK), d), numpy.float32)

    def loss_and_gradient():
        signed = w * a
        s = signed @ w.T
        squares, m = 0.0, numpy.zeros_like(s)
        for rows in blocks(n):
            t = numpy.matmul(x[rows], s, out=out[: len(x[rows])])
            delta = numpy.einsum("ij,ij->i", t, x[rows]) - y[rows]
            squares += delta @ delta
            m += x[rows].T @ numpy.multiply(x[rows], (delta / n)[:, None], out=t)
        return squares / (4 * n), m @ signed

    return loss_and_gradient


def quadratic_forms(n, d, r):
    x, s = forms(numpy, n, d, r)
    q, out = numpy.empty(n, numpy.float32), numpy.empty((min(n, BLOCK), d), numpy.float32)

    def compute():
        for rows in blocks(n):
            t = numpy.matmul(x[rows], s, out=out[: len(x[rows])])
            numpy.einsum("ij,ij->i", t, x[rows], out=q[rows])
        return q

    return compute


def weighted_gram(n, d, r):
    x, v = weighted(numpy, n, d, r)
    out = numpy.empty((min(n, BLOCK), d), numpy.float32)

    def compute():
        m = numpy.zeros((d, d), numpy.float32)
        for rows in blocks(n):
            m += x[rows].T @ numpy.multiply(x[rows], v[rows, None], out=out[: len(x[rows])])
        return m

    return compute


def features(n, d, k):
    x, weights = layer(numpy, n, d, k)
    z = numpy.empty((n, k), numpy.float32)

    def compute():
        for rows in blocks(n):
            numpy.matmul(x[rows], weights.T, out=z[rows])
            numpy.square(z[rows], out=z[rows])
        return z

    return compute


def count_threads():
    library = openblas()
    return library and library["num_threads"]


with_the_right_kernels()
main(
    numpy,
    f"NumPy {numpy.__version__}",
    {
        "loss-and-gradient": {"by hand": gram},
        "quadratic-forms": {"by hand": quadratic_forms},
        "weighted-gram": {"by hand": weighted_gram},
        "features": {"by hand": features},
        "small-gradient": {"by hand": gram},
    },
    count_threads,
    note(),
)
