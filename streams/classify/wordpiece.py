"""Texts to token ids as BERT's uncased vocabularies have them (WordPiece).

For: :mod:`streams.classify.encoder` and the training of what it runs. Not for: cased vocabularies.

The rules are those of ``BertTokenizer`` (Devlin et al. 2018, *BERT*, section A.2 and the released
``tokenization.py``): lower case without accents; each CJK ideograph and each punctuation mark is a
token of its own; of any other word the longest known beginning, then the longest known
continuations (``##``), or the unknown token where a rest is left over.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

MAX_WORD: Final = 100
"""Characters of a word past which it is unknown as a whole, as in BERT."""

_CJK: Final = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F))
_ASCII_SIGNS: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


class Token(NamedTuple):
    """A token's id and the characters ``start`` up to ``end`` of the text that it was read from."""

    id: int
    start: int
    end: int


class WordPiece:
    """A tokenizer of one vocabulary.

    Parameters
    ----------
    vocabulary
        Tokens by id; ``[UNK]``, ``[CLS]`` and ``[SEP]`` must be among them.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._ids = {token: number for number, token in enumerate(vocabulary)}
        self.unknown = self._ids["[UNK]"]
        self.first = self._ids["[CLS]"]
        self.last = self._ids["[SEP]"]
        self.signs = frozenset(
            number for token, number in self._ids.items() if len(token) == 1 and _is_sign(token)
        )
        self._pieces = lru_cache(maxsize=4096)(self._split)

    def tokens(self, text: str, limit: int) -> list[Token]:
        """Return at most ``limit`` tokens of a text, from its beginning, without the marks."""
        found: list[Token] = []
        for word, start in _words(text):
            exact = len(word) == 1
            folded = word if exact and _is_cjk(word) else _folded(word)
            for piece, begin, end in self._pieces(folded):
                if len(found) >= limit:
                    return found
                # Where folding changed the length, a piece stands for the whole word.
                where = (begin, end) if len(folded) == len(word) else (0, len(word))
                found.append(Token(piece, start + where[0], start + where[1]))
        return found

    def _split(self, word: str) -> tuple[tuple[int, int, int], ...]:
        if not word:
            return ()
        if len(word) > MAX_WORD:
            return ((self.unknown, 0, len(word)),)
        pieces: list[tuple[int, int, int]] = []
        start = 0
        while start < len(word):
            end = len(word)
            while end > start:
                piece = ("##" if start else "") + word[start:end]
                if piece in self._ids:
                    pieces.append((self._ids[piece], start, end))
                    break
                end -= 1
            else:
                return ((self.unknown, 0, len(word)),)
            start = end
        return tuple(pieces)


def _words(text: str) -> list[tuple[str, int]]:
    """Return the words of a text and where each begins."""
    words: list[tuple[str, int]] = []
    begin = -1
    for at, char in enumerate(text):
        is_space = char.isspace() or unicodedata.category(char) in ("Cc", "Cf")
        is_alone = not is_space and (_is_cjk(char) or _is_sign(char))
        if is_space or is_alone:
            if begin >= 0:
                words.append((text[begin:at], begin))
                begin = -1
            if is_alone:
                words.append((char, at))
        elif begin < 0:
            begin = at
    if begin >= 0:
        words.append((text[begin:], begin))
    return words


def _folded(word: str) -> str:
    lower = word.lower()
    if lower.isascii():
        return lower
    return "".join(
        char for char in unicodedata.normalize("NFD", lower) if unicodedata.category(char) != "Mn"
    )


def _is_cjk(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _CJK)


def _is_sign(char: str) -> bool:
    return char in _ASCII_SIGNS or unicodedata.category(char).startswith("P")
