"""Texts to vectors and probabilities: the small language models of ``data/``, one a language.

For: :mod:`streams.classify.reader`. Not for: deciding anything; thresholds and words lie there.

Each model is a BERT encoder in 8-bit integers (ONNX) and four heads over its last layer: category,
modality, danger, facts. A head weighs the tokens (softmax of token vector times
query), takes their mean and multiplies; so a token's share in a logit is known, and that is how a
reading says its reasons.
``docs/understanding.md`` is the model card; ``tools/train_reader.py`` makes the files.

Deterministic on one kind of processor; on another the last digits of a probability may differ,
which is why the journal has what was read and a replay doesn't read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from streams.classify.wordpiece import Token, WordPiece

DATA: Final = Path(__file__).parent / "data"
LANGUAGES: Final = ("zh", "en")
MAX_TOKENS: Final = 94
"""Tokens of a text that are read; one corpus sentence in 10,000 is longer."""

BATCH: Final = 16
"""Texts in one run: longer runs are no faster and hold up the event loop's thread longer."""

ONE_OF: Final = frozenset(("category", "modality"))
"""Heads of which one label holds."""

Floats = NDArray[np.float32]


class Head(NamedTuple):
    """One thing that is read: where its columns stand in the encoder's scores, and its labels.

    Attributes
    ----------
    query
        Column of the attention over tokens.
    first
        First of the columns of its labels.
    bias
        (labels,)
    """

    query: int
    first: int
    bias: Floats
    labels: tuple[str, ...]
    temperature: float


class Seen(NamedTuple):
    """What one head makes of a text.

    Attributes
    ----------
    probabilities
        By label, calibrated. Of category and modality they add up to one; danger and facts hold
        each by itself.
    shares
        (tokens, labels): what each token adds to each logit.
    """

    probabilities: Floats
    shares: Floats


class Encoded(NamedTuple):
    """A text as a model sees it.

    Attributes
    ----------
    vector
        (sketch,): its meaning, of length 1; alike texts have a large product.
    """

    tokens: tuple[Token, ...]
    category: Seen
    modality: Seen
    danger: Seen
    facts: Seen
    vector: Floats


class _Meta(msgspec.Struct, frozen=True):
    version: str
    categories: tuple[str, ...]
    modalities: tuple[str, ...]
    facts: tuple[str, ...]
    temperatures: dict[str, float]


class Encoder:
    """The model of one language; :func:`encoder_of` loads it once a process.

    Parameters
    ----------
    folder
        With ``encoder.onnx``, ``offsets.npz``, ``vocabulary.txt`` and ``meta.json``. The encoder
        returns its last layer times one matrix: a column of attention for each head, then the
        labels of each, then the sketch.
    """

    def __init__(self, folder: Path) -> None:
        meta = msgspec.json.decode((folder / "meta.json").read_bytes(), type=_Meta)
        self.version = meta.version
        # A token may be a character that splitlines() takes for the end of a line.
        tokens = (folder / "vocabulary.txt").read_text("utf-8").removesuffix("\n").split("\n")
        self._words = WordPiece(tokens)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(
            folder / "encoder.onnx", options, providers=["CPUExecutionProvider"]
        )
        labels = {
            "category": meta.categories,
            "modality": meta.modalities,
            "danger": ("yes",),
            "facts": meta.facts,
        }
        self._heads: dict[str, Head] = {}
        column = len(labels)
        with np.load(folder / "offsets.npz") as offsets:
            for query, (name, of) in enumerate(labels.items()):
                temperature = meta.temperatures[name]
                self._heads[name] = Head(query, column, offsets[name], of, temperature)
                column += len(of)
            self._sketch_from = column
            self._sketch_middle: Floats = offsets["sketch"].astype(np.float32)

    @property
    def categories(self) -> tuple[str, ...]:
        """Labels of the category head."""
        return self._heads["category"].labels

    @property
    def facts(self) -> tuple[str, ...]:
        """Labels of the facts head."""
        return self._heads["facts"].labels

    @property
    def modalities(self) -> tuple[str, ...]:
        """Labels of the modality head."""
        return self._heads["modality"].labels

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Read texts, each in its plain form; about 2 ms of one core each."""
        tokens = [tuple(self._words.tokens(text, MAX_TOKENS)) for text in texts]
        order = sorted(range(len(texts)), key=lambda place: len(tokens[place]))
        found: dict[int, Encoded] = {}
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            for place, scores in zip(
                places, self._scores([tokens[place] for place in places]), strict=True
            ):
                found[place] = self._read(tokens[place], scores)
        return [found[place] for place in range(len(texts))]

    def _scores(self, batch: list[tuple[Token, ...]]) -> list[Floats]:
        longest = max(len(tokens) for tokens in batch) + 2
        ids = np.zeros((len(batch), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens) + 2] = (
                self._words.first,
                *(token.id for token in tokens),
                self._words.last,
            )
            mask[row, : len(tokens) + 2] = 1
        asked = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (scores,) = self._session.run(None, asked)
        return [one[: len(tokens) + 2] for one, tokens in zip(scores, batch, strict=True)]

    def _read(self, tokens: tuple[Token, ...], scores: Floats) -> Encoded:
        seen = {name: _see(name, head, scores) for name, head in self._heads.items()}
        vector = scores[:, self._sketch_from :].mean(axis=0) - self._sketch_middle
        return Encoded(
            tokens,
            seen["category"],
            seen["modality"],
            seen["danger"],
            seen["facts"],
            vector / max(float(np.linalg.norm(vector)), 1e-6),
        )


def _see(name: str, head: Head, scores: Floats) -> Seen:
    attention = np.exp(scores[:, head.query] - scores[:, head.query].max())
    attention /= attention.sum()
    shares = scores[:, head.first : head.first + len(head.labels)] * attention[:, None]
    logits = (shares.sum(axis=0) + head.bias) / head.temperature
    if name in ONE_OF:
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
    else:
        probabilities = 1 / (1 + np.exp(-logits))
    return Seen(probabilities, shares[1:-1])


@cache
def encoder_of(language: str) -> Encoder:
    """Return the model of a language of :data:`LANGUAGES`; loads some 25 MB, once a process."""
    return Encoder(DATA / language)


@cache
def version() -> str:
    """Return what stands in each reading for the models in force."""
    said = "+".join(encoder_of(language).version for language in LANGUAGES)
    return hashlib.sha256(said.encode()).hexdigest()[:12]
