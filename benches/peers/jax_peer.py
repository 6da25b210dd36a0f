"""The passes in JAX, compiled."""

import jax
import jax.numpy as jnp
import numpy
from workloads import main, matrix


def inputs(n, d, r):
    a = jnp.ones(r).at[r // 2 :].set(-1)
    return jnp.asarray(matrix(numpy, n, d)), jnp.asarray(matrix(numpy, d, r)), a, jnp.ones(n)


def loss(w, x, a, y):
    q = jnp.square(x @ w) @ a
    return jnp.square(q - y).mean() / 4


def adam(n, d, r):
    x, w, a, y = inputs(n, d, r)

    def update(w, m, v, t):
        g = jax.grad(loss)(w, x, a, y)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return w - 1e-3 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v, t + 1

    step = jax.jit(update, donate_argnums=(0, 1, 2))
    state = [w, jnp.zeros_like(w), jnp.zeros_like(w), 1.0]

    def work():
        state[:] = step(*state)
        state[0].block_until_ready()

    return work


def gram(n, d, r):
    x, w, a, y = inputs(n, d, r)

    @jax.jit
    def gradient(w):
        s = (w * a) @ w.T
        delta = ((x @ s) * x).sum(1) - y
        return x.T @ (x * (delta / n)[:, None]) @ w * a

    return lambda: gradient(w).block_until_ready()


def features(n, d, k):
    x, weights = jnp.asarray(matrix(numpy, n, d)), jnp.asarray(matrix(numpy, k, d))
    compute = jax.jit(lambda x: jnp.square(x @ weights.T))
    return lambda: compute(x).block_until_ready()


main(
    f"JAX {jax.__version__}",
    {
        "adam-step": {"compiled": adam},
        "loss-and-gradient": {"Gram route, compiled": gram},
        "features": {"compiled": features},
        "small-gradient": {"Gram route, compiled": gram},
    },
)
