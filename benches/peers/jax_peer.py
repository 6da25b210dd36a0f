"""The passes in JAX, compiled."""

import os
import pathlib

from workloads import BETA1, BETA2, EPS, LR, forms, layer, main, network, threads, weighted

# Read when the library starts: the size of the pool that compiled programs run on.
os.environ["NPROC"] = str(threads())

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy  # noqa: E402


def loss(w, x, a, y):
    q = jnp.square(x @ w) @ a
    return jnp.square(q - y).mean() / 4


def adam(n, d, r):
    x, w, a, y = map(jnp.asarray, network(numpy, n, d, r))

    def update(w, m, v, t):
        g = jax.grad(loss)(w, x, a, y)
        m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
        return w - LR * (m / (1 - BETA1**t)) / (jnp.sqrt(v / (1 - BETA2**t)) + EPS), m, v, t + 1

    step = jax.jit(update, donate_argnums=(0, 1, 2))
    state = [w, jnp.zeros_like(w), jnp.zeros_like(w), 1.0]

    def work():
        state[:] = step(*state)
        return state[0].block_until_ready()

    return work


def autograd(n, d, r):
    x, w, a, y = map(jnp.asarray, network(numpy, n, d, r))
    compute = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(compute(w, x, a, y))


def gram(n, d, r):
    x, w, a, y = map(jnp.asarray, network(numpy, n, d, r))

    @jax.jit
    def loss_and_gradient(w):
        s = (w * a) @ w.T
        delta = ((x @ s) * x).sum(1) - y
        return jnp.square(delta).sum() / (4 * n), x.T @ (x * (delta / n)[:, None]) @ w * a

    return lambda: jax.block_until_ready(loss_and_gradient(w))


def quadratic_forms(n, d, r):
    x, s = map(jnp.asarray, forms(numpy, n, d, r))
    compute = jax.jit(lambda s: ((x @ s) * x).sum(1))
    return lambda: compute(s).block_until_ready()


def weighted_gram(n, d, r):
    x, v = map(jnp.asarray, weighted(numpy, n, d, r))
    compute = jax.jit(lambda v: x.T @ (x * v[:, None]))
    return lambda: compute(v).block_until_ready()


def features(n, d, k):
    x, weights = map(jnp.asarray, layer(numpy, n, d, k))
    compute = jax.jit(lambda x: jnp.square(x @ weights.T))
    return lambda: compute(x).block_until_ready()


def count_threads():
    """Threads of the pool, which Linux shows by name."""
    tasks = pathlib.Path("/proc/self/task")
    if not tasks.exists():
        return None
    return sum("XLAEigen" in (task / "comm").read_text() for task in tasks.iterdir()) or None


main(
    numpy,
    f"JAX {jax.__version__}",
    {
        "adam-step": {"compiled": adam},
        "loss-and-gradient": {"by hand": gram, "autograd": autograd},
        "quadratic-forms": {"compiled": quadratic_forms},
        "weighted-gram": {"compiled": weighted_gram},
        "features": {"compiled": features},
        "small-gradient": {"by hand": gram, "autograd": autograd},
    },
    count_threads,
)
