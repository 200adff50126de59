"""Words and what they say: the lexicon of ``lexicon.yaml`` and how a text is read with it.

For Chinese and English reports of one to some hundred words; a term is matched where it stands,
the longest first, and counts for nothing when it is denied ("无人受伤", "no injuries"). Not a
language model: what it can't tell gets a low score, and a person decides.

Pure and deterministic. Relies on :mod:`models.categories` for the ids and on
:mod:`models.plain_text` for the form in which text and terms are compared.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from models.categories import categories
from models.events import FactValue
from models.plain_text import plain
from streams.errors import RulesError

DATA = Path(__file__).parent / "lexicon.yaml"
MAX_CHARS = 4000
"""What is read of a text in its plain form; the rest can't change a category and costs time."""

_DENIED_TOKENS = 7
_BACK_TOKENS = 7
_FORWARD_TOKENS = 3
_TOKEN = re.compile(r"[0-9]+(?:\.[0-9]+)?(?![a-z0-9])|[a-z0-9]+(?:'[a-z]+)?|[^\s\w]|\w")
_CLAUSE_ENDS = frozenset(",.;!?。、")
_HAN_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2, "俩": 2, "仨": 3}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_ENGLISH = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
)
_WORDS = {word: value for value, word in enumerate(_ENGLISH.split())}
_WORDS |= {"thirty": 30, "forty": 40, "fifty": 50, "hundred": 100}
_MAX_PEOPLE = 100_000


class CategoryWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Terms of one category: naming ones, and ones that only help."""

    terms: dict[str, int]
    context: dict[str, int] = {}


class FactWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Terms of one fact. ``priority`` is the least urgent that a report with it may have."""

    kind: Literal["flag", "count"]
    terms: list[str]
    adjacent: list[str] = []
    priority: int = 4


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    priorities: dict[str, int]
    categories: dict[str, CategoryWords]
    facts: dict[str, FactWords]
    negators: list[str]
    neutral: list[str]
    contrast: list[str]
    people: list[str]
    vague: dict[str, int]


class Hit(NamedTuple):
    """A term found in a text: its tokens ``start`` up to ``end``, and whether it is denied."""

    term: str
    start: int
    end: int
    denied: bool
    roles: frozenset[str]


class Reading(NamedTuple):
    """What a text says: score by category, terms in order, facts."""

    scores: dict[str, int]
    terms: tuple[str, ...]
    facts: dict[str, FactValue]


_Node: TypeAlias = "dict[str, _Node | str]"
_END = ""


class Lexicon:
    """A lexicon made ready for reading; see :func:`load_lexicon`.

    Parameters
    ----------
    data
        The validated file.
    """

    def __init__(self, data: _File) -> None:
        self.priorities: Mapping[str, int] = data.priorities
        self.categories: Mapping[str, CategoryWords] = data.categories
        self.facts: Mapping[str, FactWords] = data.facts
        self._vague = {_join(tokenize(term)): count for term, count in data.vague.items()}
        self._weights: dict[str, list[tuple[str, int, bool]]] = {}
        for category_id, words in data.categories.items():
            for terms, is_context in ((words.terms, False), (words.context, True)):
                for term, weight in terms.items():
                    key = _join(tokenize(term))
                    self._weights.setdefault(key, []).append((category_id, weight, is_context))
        denial = {"negator": data.negators, "neutral": data.neutral, "contrast": data.contrast}
        self._category_trie = _Trie({"term": self._weights, **denial})
        self._fact_trie = _Trie(
            {
                **{f"fact {name}": words.terms for name, words in data.facts.items()},
                **{f"adjacent {name}": words.adjacent for name, words in data.facts.items()},
                "people": data.people,
                "vague": data.vague,
                **denial,
            }
        )

    def read(self, text: str, place: str = "") -> Reading:
        """Return what ``text`` says about what happens at ``place``. About 0.1 ms for a report.

        A place helps to tell the category ("chemical works") and the dangers; the number in
        "Highway 101" counts nobody.
        """
        said, where = _split(text), _split(place)
        hits = [*self._category_trie.find(said), *self._category_trie.find(where)]
        dangers = {name: True for name, value in self._facts(where).items() if value is True}
        facts: dict[str, FactValue] = {**dangers, **self._facts(said)}
        return Reading(*self._score(hits), dict(sorted(facts.items())))

    def names(self, category_id: str, term: str) -> bool:
        """Whether a term speaks for a category, by itself or beside another."""
        return any(entry[0] == category_id for entry in self._weights[term])

    def _score(self, hits: list[Hit]) -> tuple[dict[str, int], tuple[str, ...]]:
        naming: dict[str, int] = {}
        helping: dict[str, int] = {}
        terms: list[str] = []
        for hit in hits:
            if hit.denied or "term" not in hit.roles or hit.term in terms:
                continue
            terms.append(hit.term)
            for category_id, weight, is_context in self._weights[hit.term]:
                scores = helping if is_context else naming
                scores[category_id] = scores.get(category_id, 0) + weight
        return {key: score + helping.get(key, 0) for key, score in naming.items()}, tuple(terms)

    def _facts(self, split: _Split) -> dict[str, FactValue]:
        tokens, hits = split.tokens, self._fact_trie.find(split)
        people = {i for hit in hits if "people" in hit.roles for i in range(hit.start, hit.end)}
        numbers = _numbers(tokens)
        for hit in hits:
            if "vague" in hit.roles:
                numbers[hit.start] = (hit.end, self._vague[hit.term])
                people.add(hit.end)
        flags: dict[str, FactValue] = {}
        counts: dict[str, int] = {}
        for hit in hits:
            for role in sorted(hit.roles):
                kind, _, name = role.partition(" ")
                if kind == "fact" and self.facts[name].kind == "flag":
                    if not hit.denied:
                        flags[name] = True
                elif kind == "fact" or kind == "adjacent":
                    count = _count(hit, tokens, numbers, people, adjacent=kind == "adjacent")
                    if count is not None:
                        counts[name] = max(counts.get(name, 0), count)
        if "injured" in counts or "dead" in counts:
            counts["casualties"] = counts.get("injured", 0) + counts.get("dead", 0)
        return dict(sorted({**flags, **counts}.items()))


@lru_cache(maxsize=4)
def load_lexicon(path: Path = DATA) -> Lexicon:
    """Read and check a lexicon file, once.

    Raises
    ------
    RulesError
        When it can't be read, or has an unknown category or one without a priority, a priority
        outside 1 to 4, a weight outside 1 to 5 or an empty term.
    """
    try:
        tree = YAML(typ="safe", pure=True).load(io.StringIO(path.read_text(encoding="utf-8")))
        data = msgspec.convert(tree, _File)
    except (OSError, UnicodeDecodeError, YAMLError, msgspec.ValidationError) as error:
        raise RulesError(f"{path}: {error}") from error
    if lacking := sorted(categories().keys() - data.priorities.keys()):
        raise RulesError(f"{path}: {', '.join(lacking)}: no priority")
    for category_id, priority in data.priorities.items():
        if priority not in (1, 2, 3, 4):
            raise RulesError(f"{path}: {category_id} has priority {priority}, not 1 to 4")
    for category_id in (*data.priorities, *data.categories):
        if category_id not in categories():
            raise RulesError(f"{path}: category {category_id!r} is not in models/data")
    for category_id, words in data.categories.items():
        for term, weight in {**words.terms, **words.context}.items():
            if not 1 <= weight <= 5 or not tokenize(term):
                raise RulesError(f"{path}: {category_id}: {term!r}: {weight} must be 1 to 5")
    return Lexicon(data)


def tokenize(text: str) -> list[str]:
    """Split a text: numbers, words of Latin letters, and every other character by itself."""
    return _tokens(plain(text))


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold().replace("’", "'"))


class _Split(NamedTuple):
    """Tokens of a text, and those that a line begins with.

    A line ends a denial ("no injuries", then "house fire"); a term may go on in the next one.
    """

    tokens: list[str]
    line_starts: frozenset[int]


def _split(text: str) -> _Split:
    tokens: list[str] = []
    starts: set[int] = set()
    for line in plain(text)[:MAX_CHARS].splitlines():
        starts.add(len(tokens))
        tokens += _tokens(line)
    return _Split(tokens, frozenset(starts))


class _Trie:
    """Longest match over tokens, with denial already worked out."""

    def __init__(self, roles: Mapping[str, Iterable[str]]) -> None:
        self._root: _Node = {}
        self._roles: dict[str, frozenset[str]] = {}
        for role, terms in roles.items():
            for term in terms:
                tokens = tokenize(term)
                key = _join(tokens)
                self._roles[key] = self._roles.get(key, frozenset()) | {role}
                node = self._root
                for token in tokens:
                    node = node.setdefault(token, {})  # type: ignore[assignment]
                node[_END] = key

    def find(self, split: _Split) -> list[Hit]:
        tokens, line_starts = split
        hits: list[Hit] = []
        denied_until = -1
        at, size = 0, len(tokens)
        while at < size:
            token = tokens[at]
            if at in line_starts:
                denied_until = -1
            if token in _CLAUSE_ENDS:
                denied_until = -1
                at += 1
                continue
            term, end = self._longest(tokens, at)
            if not term:
                at += 1
                continue
            roles = self._roles[term]
            if "contrast" in roles:
                denied_until = -1
            elif "negator" in roles:
                denied_until = end + _DENIED_TOKENS
            hits.append(Hit(term, at, end, at < denied_until and "negator" not in roles, roles))
            at = end
        return hits

    def _longest(self, tokens: list[str], at: int) -> tuple[str, int]:
        node, term, end = self._root, "", at
        for i in range(at, len(tokens)):
            token = tokens[i]
            below = node.get(token)
            if below is None and len(token) > 3 and token[-1] == "s":
                below = node.get(token[:-1])
            if not isinstance(below, dict):
                break
            node = below
            key = node.get(_END)
            if isinstance(key, str):
                term, end = key, i + 1
        return term, end


def _join(tokens: list[str]) -> str:
    """A term as it is shown: spaces only between words of Latin letters."""
    shown = ""
    for token in tokens:
        shown += " " + token if shown and token.isascii() and shown[-1].isascii() else token
    return shown


def _numbers(tokens: list[str]) -> dict[int, tuple[int, int]]:
    """Numbers by the token they begin at: where they end, and their value."""
    found: dict[int, tuple[int, int]] = {}
    at = 0
    while at < len(tokens):
        token, end = tokens[at], at + 1
        if token.isdecimal() and token.isascii():
            found[at] = (end, min(int(token[:9]), _MAX_PEOPLE))
        elif token in _WORDS:
            value = _WORDS[token]
            if end < len(tokens) and tokens[end] == "hundred" and value < 10:
                value, end = value * 100, end + 1
            found[at] = (end, value)
        elif token in _HAN_DIGITS or token in _HAN_UNITS:
            while end < len(tokens) and (tokens[end] in _HAN_DIGITS or tokens[end] in _HAN_UNITS):
                end += 1
            found[at] = (end, _han_number(tokens[at:end]))
        at = end
    return found


def _han_number(digits: list[str]) -> int:
    total, digit = 0, 0
    for char in digits:
        if char in _HAN_UNITS:
            total += (digit or 1) * _HAN_UNITS[char]
            digit = 0
        else:
            digit = _HAN_DIGITS[char]
    return min(total + digit, _MAX_PEOPLE)


def _count(
    hit: Hit,
    tokens: list[str],
    numbers: dict[int, tuple[int, int]],
    people: set[int],
    *,
    adjacent: bool,
) -> int | None:
    """People that a fact's term speaks of; takes their number out of ``numbers``."""
    if adjacent:
        for start, (end, value) in numbers.items():
            if end == hit.start:
                del numbers[start]
                return value
        return None
    if hit.denied:
        return 0
    for start in range(hit.start - 1, max(-1, hit.start - 1 - _BACK_TOKENS), -1):
        if tokens[start] in _CLAUSE_ENDS:
            break
        if start in numbers:
            end, value = numbers[start]
            if end == hit.start or end in people or (end + 1 in people and end + 1 < hit.start):
                del numbers[start]
                return value
    for start in range(hit.end, min(len(tokens), hit.end + _FORWARD_TOKENS)):
        if tokens[start] in _CLAUSE_ENDS:
            break
        if start in numbers:
            end, value = numbers[start]
            if end in people or end == len(tokens) or tokens[end] in _CLAUSE_ENDS:
                del numbers[start]
                return value
    return 1
