"""Shapes, inputs and timing shared by the peers. Names are those of `memorize bench`."""

import json
import statistics
import sys
import time

SHAPES = {
    "adam-step": (128, 784, 3000),
    "loss-and-gradient": (60_000, 784, 3000),
    "features": (60_000, 100, 750),
    "small-gradient": (300, 100, 300),
}


def matrix(numpy, rows, cols):
    """The same small values without structure that `memorize bench` uses."""
    i, j = numpy.arange(rows)[:, None], numpy.arange(cols)[None, :]
    return ((i * 7919 + j * 104_729) % 10_007 / 100_070.0 - 0.05).astype(numpy.float32)


def median_seconds(work, seconds=0.5, at_least=3):
    """Median time of `work`, after two runs that are not counted."""
    work()
    work()
    times, begun = [], time.perf_counter()
    while len(times) < at_least or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(peer, variants):
    """Times the variants of the passes named on the command line; prints a JSON list.

    `variants` maps a pass to {name of the variant: function that makes the work}.
    """
    results = []
    for name in sys.argv[1:] or list(variants):
        for variant, make in variants.get(name, {}).items():
            seconds = median_seconds(make(*SHAPES[name]))
            results.append({"peer": peer, "variant": variant, "pass": name, "seconds": seconds})
    print(json.dumps(results))
