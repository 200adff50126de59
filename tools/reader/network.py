"""The encoder and its heads in JAX: forward pass, loss and one training step.

The encoder is BERT's (Devlin et al. 2018). Each head pools the last layer by attention with a query
of its own and multiplies; :mod:`streams.classify.encoder` does the same on what the exported
encoder returns.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Params = dict[str, jax.Array]
Batch = dict[str, Any]
"""``ids`` (n, tokens), ``mask`` alike; ``category`` (n, categories) and ``modality`` as shares of
one; ``danger`` (n,), ``facts`` (n, facts); ``weight`` (n,) of the category."""

DROPOUT = 0.1
HEAD_RATE = 20.0
"""How much faster heads learn than the encoder, which knows the language already."""

LOSSES = {"category": 1.0, "modality": 0.7, "danger": 1.0, "facts": 0.3}
HEADS = tuple(LOSSES)
ONE_OF = ("category", "modality")
WEIGHT_DECAY = 0.01
_B1, _B2 = 0.9, 0.999


class Shape(NamedTuple):
    """What of an encoder its weights don't say."""

    layers: int
    attention_heads: int


def begin(weights: dict[str, Any], labels: dict[str, int], positions: int, seed: int) -> Params:
    """Return parameters to train: the base's, with token types folded into positions, and heads."""
    chance = np.random.default_rng(seed)
    params = {name: jnp.asarray(array) for name, array in weights.items()}
    first_type = params.pop("embeddings.token_type_embeddings.weight")[0]
    params["positions"] = params.pop("embeddings.position_embeddings.weight")[:positions]
    params["positions"] += first_type
    hidden = params["positions"].shape[1]
    for head in HEADS:
        start = chance.normal(0, 0.02, (hidden, labels[head])).astype(np.float32)
        params[f"{head}.query"] = jnp.zeros(hidden)
        params[f"{head}.weights"] = jnp.asarray(start)
        params[f"{head}.bias"] = jnp.zeros(labels[head])
    return params


def shape_of(weights: dict[str, Any], attention_heads: int) -> Shape:
    """Return how many layers there are."""
    layers = {int(name.split(".")[2]) for name in weights if name.startswith("encoder")}
    return Shape(max(layers) + 1, attention_heads)


def hidden(params: Params, shape: Shape, ids: Any, mask: Any, key: Any = None) -> jax.Array:
    """Return the last layer, (n, tokens, hidden); with a key, units are dropped by chance."""
    keys = [None] * (2 * shape.layers + 1)
    if key is not None:
        keys = list(jax.random.split(key, len(keys)))
    x = params["embeddings.word_embeddings.weight"][ids] + params["positions"][: ids.shape[1]]
    x = _dropped(_norm(params, "embeddings.LayerNorm", x), keys[0])
    unseen = (1 - mask)[:, None, None, :] * -1e9
    for layer in range(shape.layers):
        at = f"encoder.layer.{layer}"
        context = _attention(params, f"{at}.attention", x, unseen, shape.attention_heads)
        context = _dropped(context, keys[2 * layer + 1])
        x = _norm(params, f"{at}.attention.output.LayerNorm", x + context)
        wide = jax.nn.gelu(_linear(params, f"{at}.intermediate.dense", x), approximate=False)
        narrow = _dropped(_linear(params, f"{at}.output.dense", wide), keys[2 * layer + 2])
        x = _norm(params, f"{at}.output.LayerNorm", x + narrow)
    return x


def logits(params: Params, x: jax.Array, mask: Any, key: Any = None) -> dict[str, jax.Array]:
    """Return each head's logits, (n, labels)."""
    found = {}
    for number, head in enumerate(HEADS):
        weight = jax.nn.softmax(x @ params[f"{head}.query"] - (1 - mask) * 1e9, axis=-1)
        pooled = jnp.einsum("nt,nth->nh", weight, x)
        pooled = _dropped(pooled, None if key is None else jax.random.fold_in(key, number))
        found[head] = pooled @ params[f"{head}.weights"] + params[f"{head}.bias"]
    return found


def loss(params: Params, shape: Shape, batch: Batch, key: Any) -> jax.Array:
    """Return the mean loss of a batch: cross entropy of each head, weighed by ``LOSSES``."""
    first, second = jax.random.split(key)
    x = hidden(params, shape, batch["ids"], batch["mask"], first)
    found = logits(params, x, batch["mask"], second)
    total = jnp.zeros(())
    for head, weight in LOSSES.items():
        if head in ONE_OF:
            each = -(batch[head] * jax.nn.log_softmax(found[head])).sum(axis=-1)
        else:
            right = batch[head] * 0.98 + 0.01
            each = (jnp.logaddexp(0, found[head]) - right * found[head]).sum(axis=-1)
        if head == "category":
            each = each * batch["weight"]
        total += weight * each.mean()
    return total


@partial(jax.jit, static_argnums=(0,))
def step(
    shape: Shape, params: Params, first: Params, second: Params, t: float, batch: Batch,
    key: Any, rate: float,
) -> tuple[Params, Params, Params, jax.Array]:  # fmt: skip
    """Take one step of AdamW with gradients clipped to length 1."""
    value, gradients = jax.value_and_grad(loss)(params, shape, batch, key)
    length = jnp.sqrt(sum((each**2).sum() for each in gradients.values()))
    clip = jnp.minimum(1.0, 1.0 / (length + 1e-9))
    new: Params = {}
    new_first: Params = {}
    new_second: Params = {}
    for name, at in params.items():
        gradient = gradients[name] * clip
        is_head = name.split(".")[0] in HEADS
        m = _B1 * first[name] + (1 - _B1) * gradient
        v = _B2 * second[name] + (1 - _B2) * gradient * gradient
        move = (m / (1 - _B1**t)) / (jnp.sqrt(v / (1 - _B2**t)) + 1e-8)
        decays = not (name.endswith(("bias", "query")) or "LayerNorm" in name)
        move += WEIGHT_DECAY * at if decays else 0.0
        new[name] = at - rate * (HEAD_RATE if is_head else 1.0) * move
        new_first[name], new_second[name] = m, v
    return new, new_first, new_second, value


@partial(jax.jit, static_argnums=(0,))
def read(shape: Shape, params: Params, ids: Any, mask: Any) -> tuple[Any, Any]:
    """Return logits by head and the mean of the last layer over the tokens."""
    x = hidden(params, shape, ids, mask)
    middle = (x * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1)[:, None]
    return logits(params, x, mask), middle


def _attention(params: Params, at: str, x: jax.Array, unseen: Any, heads: int) -> jax.Array:
    width = x.shape[-1] // heads

    def split(name: str) -> jax.Array:
        y = _linear(params, f"{at}.self.{name}", x)
        return y.reshape(*x.shape[:2], heads, width).transpose(0, 2, 1, 3)

    scores = split("query") @ split("key").swapaxes(-1, -2) / math.sqrt(width)
    context = jax.nn.softmax(scores + unseen, axis=-1) @ split("value")
    return _linear(params, f"{at}.output.dense", context.transpose(0, 2, 1, 3).reshape(x.shape))


def _linear(params: Params, at: str, x: jax.Array) -> jax.Array:
    return x @ params[f"{at}.weight"] + params[f"{at}.bias"]


def _norm(params: Params, at: str, x: jax.Array) -> jax.Array:
    mean = x.mean(axis=-1, keepdims=True)
    spread = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / jnp.sqrt(spread + 1e-12) * params[f"{at}.weight"] + params[f"{at}.bias"]


def _dropped(x: jax.Array, key: Any) -> jax.Array:
    if key is None:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - DROPOUT, x.shape), x / (1 - DROPOUT), 0.0)
