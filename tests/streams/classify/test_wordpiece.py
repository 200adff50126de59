"""Texts are split as BERT's uncased vocabularies want them, and each token knows its characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.classify.wordpiece import WordPiece

MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = (*MARKS, "fire", "##s", "##place", "a", "cafe", "着", "火", "了", "7", "##q", "!", ",")


@pytest.fixture
def words() -> WordPiece:
    return WordPiece(VOCABULARY)


def split(words: WordPiece, text: str) -> list[str]:
    return [VOCABULARY[token.id] for token in words.tokens(text, 100)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("fires", ["fire", "##s"]),
        ("A  Fireplace!", ["a", "fire", "##place", "!"]),
        ("着火了,着火", ["着", "火", "了", ",", "着", "火"]),
        ("7Q", ["7", "##q"]),
        ("café", ["cafe"]),
        ("a着fire", ["a", "着", "fire"]),
        # One letter that nothing continues makes the whole word unknown.
        ("firez", ["[UNK]"]),
        ("f" * 101, ["[UNK]"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_longest_known_pieces(words: WordPiece, text: str, tokens: list[str]) -> None:
    assert split(words, text) == tokens


def test_a_token_knows_where_it_stands(words: WordPiece) -> None:
    text = "a fires着"
    assert [text[t.start : t.end] for t in words.tokens(text, 100)] == ["a", "fire", "s", "着"]


def test_no_more_tokens_than_asked_for(words: WordPiece) -> None:
    assert len(words.tokens("火" * 50, 7)) == 7


@given(st.text(max_size=60))
def test_any_text_has_tokens_in_its_order(text: str) -> None:
    tokens = WordPiece(VOCABULARY).tokens(text, 100)
    assert all(0 <= token.start <= token.end <= len(text) for token in tokens)
    assert [token.start for token in tokens] == sorted(token.start for token in tokens)
