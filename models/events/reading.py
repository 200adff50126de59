"""What was read in a text: stands in reports, and in the incidents that they opened.

For: consoles, audits and the desk. Not for: how a text is read (``streams.classify``).
"""

from __future__ import annotations

import msgspec


class LikelyCategory(msgspec.Struct, frozen=True, kw_only=True):
    """A category, and the share of such texts that it is right for (0 to 1)."""

    category: str
    probability: float


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was read in a text without a code, how surely, and because of which of its words.

    Attributes
    ----------
    reader
        Version of what read it; the journal, not the reader, is what a replay goes by.
    language
        ``zh`` or ``en``; empty: a language that isn't read, but for words of danger.
    modality
        ``live``, or one of those in ``streams/classify/corpus/README.md``.
    real
        Probability that it happens here and now.
    danger
        Probability that a life is at stake, if it happens.
    categories
        Up to three, the most probable first.
    because, alarming, unreal
        Words of the text that speak most for the category, for danger, against its being live.
    sketch
        Meaning of the text: base64 of a vector of signed bytes. Products of two tell how alike
        their texts are (:mod:`models.likeness`).
    taught
        Id of the example that said more than the model (:mod:`models.examples`): the category is
        its, or its danger raised the text. Empty: none did.
    """

    reader: str
    language: str = ""
    modality: str = "live"
    real: float = 1.0
    danger: float = 0.0
    categories: tuple[LikelyCategory, ...] = ()
    because: tuple[str, ...] = ()
    alarming: tuple[str, ...] = ()
    unreal: tuple[str, ...] = ()
    sketch: str = ""
    taught: str = ""
