"""Shapes, inputs, the check and the timing that the Python peers share. Names are those of `memorize bench`.

A peer is a program that takes names of passes and prints a JSON list with an object for each of its variants: `peer`,
`variant`, `pass`, and either `seconds` (median) with `threads` (null if it cannot tell) or `missing` (why it could not be
measured); `note`, if there is one, is for the reader. OMP_NUM_THREADS says how many threads; `compare.py` sets it.
"""

import json
import os
import statistics
import sys
import time

SHAPES = {
    "adam-step": (128, 784, 3000),
    "loss-and-gradient": (60_000, 784, 3000),
    "quadratic-forms": (60_000, 784, 3000),
    "weighted-gram": (60_000, 784, 3000),
    "features": (60_000, 100, 750),
    "small-gradient": (300, 100, 300),
}

# The problem that a peer is checked on, and how often it runs: a wrong second step of Adam would show.
CHECKED = (13, 7, 6)
RUNS = 3
# Largest difference from the reference relative to its largest element. Rounding to f32 makes less than a tenth of it,
# a step of Adam without its bias correction a hundred times as much.
TOLERANCE = 1e-4

# Rows of X that a full-batch pass by hand takes at a time: its intermediate results stay in the last cache, and none of
# the size of X is allocated again and again.
BLOCK = 4096

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def available():
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads():
    """Threads that a peer shall use."""
    return int(os.environ.get("OMP_NUM_THREADS") or available())


def blocks(n):
    """The rows of X, a block at a time."""
    return [slice(first, min(first + BLOCK, n)) for first in range(0, n, BLOCK)]


def matrix(numpy, rows, cols):
    """The same small values without structure that `memorize bench` uses."""
    i, j = numpy.arange(rows)[:, None], numpy.arange(cols)[None, :]
    return ((i * 7919 + j * 104_729) % 10_007 / 100_070.0 - 0.05).astype(numpy.float32)


def network(numpy, n, d, r):
    """Samples X (n x d), weights W (d x r), signs a (r) and targets y (n)."""
    a = numpy.ones(r, numpy.float32)
    a[r // 2 :] = -1
    w = numpy.ascontiguousarray(matrix(numpy, r, d).T)
    return matrix(numpy, n, d), w, a, numpy.ones(n, numpy.float32)


def forms(numpy, n, d, _):
    """Samples X (n x d) and a symmetric S (d x d)."""
    m = matrix(numpy, d, d)
    return matrix(numpy, n, d), numpy.triu(m) + numpy.triu(m, 1).T


def weighted(numpy, n, d, _):
    """Samples X (n x d) and their weights v (n)."""
    return matrix(numpy, n, d), matrix(numpy, n, 1)[:, 0]


def layer(numpy, n, d, k):
    """Samples X (n x d) and feature weights R (k x d)."""
    return matrix(numpy, n, d), matrix(numpy, k, d)


def expected(numpy, name, shape, runs):
    """What a pass gives after `runs` runs, in f64, a sample at a time."""
    if name == "quadratic-forms":
        x, s = (m.astype(float) for m in forms(numpy, *shape))
        return [numpy.array([row @ s @ row for row in x])]
    if name == "weighted-gram":
        x, v = (m.astype(float) for m in weighted(numpy, *shape))
        return [sum(weight * numpy.outer(row, row) for weight, row in zip(v, x))]
    if name == "features":
        x, r = (m.astype(float) for m in layer(numpy, *shape))
        return [numpy.array([(r @ row) ** 2 for row in x])]
    x, w, a, y = (m.astype(float) for m in network(numpy, *shape))

    def loss_and_gradient():
        loss, gradient = 0.0, 0.0
        for row, target in zip(x, y):
            u = row @ w
            delta = (a * u * u).sum() - target
            loss += delta**2 / (4 * len(x))
            gradient += numpy.outer(row, delta * a * u) / len(x)
        return numpy.array(loss), gradient

    if name != "adam-step":
        return loss_and_gradient()
    m, v = numpy.zeros_like(w), numpy.zeros_like(w)
    for t in range(1, runs + 1):
        _, g = loss_and_gradient()
        m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
        w = w - LR * (m / (1 - BETA1**t)) / (numpy.sqrt(v / (1 - BETA2**t)) + EPS)
    return [w]


def check(numpy, name, variant, make):
    """Ends the program if a variant computes something else."""
    work = make(*CHECKED)
    for _ in range(RUNS):
        results = work()
    results = results if isinstance(results, tuple) else (results,)
    references = expected(numpy, name, CHECKED, RUNS)
    for got, reference in zip(results, references, strict=True):
        got = numpy.asarray(got)
        error = numpy.abs(got - reference).max() / numpy.abs(reference).max()
        if got.shape != reference.shape or not error <= TOLERANCE:
            sys.exit(f"{name}, {variant}: off by {error:.1e} of the largest element, so it is not timed")


def median_seconds(work, seconds=0.5, at_least=3):
    """Median time of `work`, after a run that is not counted, or two if they are short."""
    begun = time.perf_counter()
    work()
    if time.perf_counter() - begun < seconds:
        work()
    times, begun = [], time.perf_counter()
    while len(times) < at_least or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(numpy, peer, variants, count_threads, note=None):
    """Checks and times the variants of the passes named on the command line; prints the list.

    `variants` maps a pass to {name of the variant: function that makes the work}; instead of a function there may be a
    text that says why this machine does not have it. `count_threads` is called after the work.
    """
    results = []
    for name in sys.argv[1:] or list(SHAPES):
        for variant, make in variants.get(name, {}).items():
            result = {"peer": peer, "variant": variant, "pass": name}
            if isinstance(make, str):
                results.append(result | {"missing": make})
                continue
            check(numpy, name, variant, make)
            seconds = median_seconds(make(*SHAPES[name]))
            results.append(result | {"threads": count_threads(), "seconds": seconds, "note": note})
    print(json.dumps(results))
