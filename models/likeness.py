"""How alike the meanings of two texts are, by their sketches.

A sketch is what :attr:`models.events.Reading.sketch` holds: a vector of length 127 in signed bytes,
base64. For: asking whether two reports tell of one event. Pure; a comparison takes about 1 µs once
both are decoded.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

LENGTH: Final = 127.0


def sketch_of(vector: NDArray[np.float32]) -> str:
    """Return the sketch of a vector of length 1."""
    return base64.b64encode(np.rint(vector * LENGTH).astype(np.int8).tobytes()).decode()


def likeness(one: str, other: str) -> float:
    """Return the cosine of two sketches, -1 to 1; 0 where one is empty or of another reader.

    Raises
    ------
    ValueError
        What is no base64.
    """
    a, b = _vector(one), _vector(other)
    if not a.size or a.size != b.size:
        return 0.0
    return float(a @ b)


@lru_cache(maxsize=4096)
def _vector(sketch: str) -> NDArray[np.float32]:
    vector = np.frombuffer(base64.b64decode(sketch), np.int8).astype(np.float32)
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector
