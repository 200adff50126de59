"""Which language a text is in, and words of danger in those that aren't read.

For: :mod:`streams.classify.reader`, which reads Chinese and English; a text in another language
waits for a person, as soon as a life may be at stake where one of these words stands in it. Not
for: translating, or deciding more than that. Words are matched where they stand, denied or not,
but for the phrases that the file names.

Scripts tell most languages. Those of Latin letters are told by frequent little words; English wins
whatever is short, mixed or none of them (also pinyin, Italian, Tagalog). A language that shares its
script with one of ours is taken for it: Ukrainian for Russian, Persian for Arabic.

Pure and deterministic. Relies on ``languages.yaml`` beside it, on :mod:`models.categories` for the
ids and on :mod:`models.plain_text` for the form in which words are compared.
"""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from models.categories import OTHER, categories
from models.plain_text import plain
from streams.errors import RulesError

DATA: Final = Path(__file__).parent / "languages.yaml"
MAX_CHARS: Final = 600
"""Characters of a text's plain form that are looked at, as many as the reader reads."""

_HAN: Final = re.compile("[\u3400-\u9fff]")
_SCRIPTS: Final = {
    "ja": re.compile("[\u3041-\u3096\u30a1-\u30fa]"),
    "ko": re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "th": re.compile("[\u0e01-\u0e4e]"),
    "ar": re.compile("[\u0620-\u064a\u066e-\u06d3]"),
    "hi": re.compile("[\u0904-\u0963]"),
}
_DECORATION: Final = frozenset("のツシノヽ")
"""Kana that Chinese writers put into shop signs and faces."""

_CHINESE: Final = re.compile("[的了吗们这那没被着把跟还个说呢吧就很都啊]")
"""Characters that a Chinese sentence has and a Japanese one hardly does."""

_LETTERS_OF_A_WORD: Final = 4
_LATIN: Final = ("es", "pt", "fr", "de", "vi")
_LEAST: Final = 2
_LEAST_LITTLE: Final = 3
_LEAST_SHARE: Final = 0.3
"""A Latin language counts at least this much for each word of a text."""

_WORD: Final = re.compile(r"[¿¡]*[^\W\d_]+(?:['’-][^\W\d_]+)*")
_PARTS: Final = re.compile("['-]")
_STRETCHED: Final = re.compile(r"(.)\1{2,}")
_IN_WORD: Final = r"[\w\u0900-\u097f]"
"""Also Devanagari's vowel signs, which are no letters to a regular expression."""

_ASCII_LETTER: Final = re.compile("[A-Za-z]")
_SPACELESS: Final = frozenset(("ja", "ko", "th"))
_HINDI: Final = str.maketrans("ँ", "ं", "\u093c")
_ARABIC: Final = str.maketrans("ىةٱ", "يها", "ـ")
_ARABIC_PREFIX: Final = "[وف]?(?:ال|لل|[بلك](?:ال)?)?"


class _Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the file; ``languages.yaml`` says what its fields hold."""

    little: str = ""
    sure: str = ""
    letters: str = ""
    danger: dict[str, list[str]] = {}
    nothing: list[str] = []


class _Marks(NamedTuple):
    """By what a language of Latin letters is told."""

    little: frozenset[str]
    sure: frozenset[str]
    letters: frozenset[str]


class _Finder(NamedTuple):
    """The words of one language: longest first, each a group of the pattern."""

    pattern: re.Pattern[str]
    categories: tuple[str, ...]
    order: tuple[str, ...]


class Languages:
    """The words of a file made ready; see :func:`load_languages`.

    Parameters
    ----------
    entries
        The validated file, by ISO 639-1 code.
    version
        What stands in the readings made with it.
    """

    def __init__(self, entries: Mapping[str, _Language], version: str) -> None:
        self.version = version
        self._marks = {
            code: _Marks(
                frozenset(_folded(entry.little).split()),
                frozenset(_folded(entry.sure).split()),
                frozenset(entry.letters),
            )
            for code, entry in entries.items()
            if entry.little
        }
        self._finders = {
            (code, accents): _finder(code, entry, accents=accents)
            for code, entry in entries.items()
            if entry.danger
            for accents in ((False, True) if code == "vi" else (False,))
        }

    @property
    def codes(self) -> frozenset[str]:
        """Languages with words of danger."""
        return frozenset(code for code, _ in self._finders)

    def latin(self, text: str) -> str:
        """Return the language of a text in Latin letters; English where no other is clear."""
        words = [_STRETCHED.sub(r"\1", word.casefold()) for word in _WORD.findall(text)]
        english = self._english(words)
        best, top = "en", max(_LEAST - 1, english)
        for code in _LATIN:
            score = self._score(words, self._marks[code])
            if score > top and score >= _LEAST_SHARE * len(words):
                best, top = code, score
        return best

    def english(self, text: str) -> int:
        """Return how many frequent English words a text has."""
        return self._english([word.casefold() for word in _WORD.findall(text)])

    def find(self, text: str, language: str) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
        """Return the words of danger with their categories, and the order of categories."""
        accents = language == "vi" and any(char in self._marks["vi"].letters for char in text)
        finder = self._finders.get((language, accents))
        if finder is None:
            return [], ()
        folded, places = _fold(text, language, accents=accents)
        found = []
        for match in finder.pattern.finditer(folded):
            category = finder.categories[(match.lastindex or 1) - 1]
            if category and match.end() > match.start():
                word = text[places[match.start()] : places[match.end() - 1] + 1]
                found.append((word, category))
        return found, finder.order

    def _english(self, words: Iterable[str]) -> int:
        little = self._marks["en"].little
        return sum(word.replace("'", "").replace("’", "") in little for word in words)

    def _score(self, words: Iterable[str], marks: _Marks) -> int:
        score, little, is_clear = 0, set(), False
        english = self._marks["en"].little
        for word in words:
            if not marks.letters.isdisjoint(word):
                score, is_clear = score + 1, True
            *elided, last = _PARTS.split(_folded(word.lstrip("¿¡")))
            # What follows an apostrophe in English is one letter: it's, there's, don't.
            for part in elided if elided and len(last) == 1 else (*elided, last):
                if part in marks.sure:
                    score, is_clear = score + 2, True
                elif part in marks.little:
                    score += 1
                    if part not in english:
                        little.add(part)
        return score if is_clear or len(little) >= _LEAST_LITTLE else 0


def language_of(text: str) -> str:
    """Return the ISO 639-1 code of a text's language; empty: of none that is known.

    ``zh`` where Chinese stands in it, ``en`` for Latin letters without a sign of another language;
    a text of both is ``zh``.
    """
    said = plain(text)[:MAX_CHARS]
    han = len(_HAN.findall(said))
    kana = [char for char in _SCRIPTS["ja"].findall(said) if char not in _DECORATION]
    if kana and (not han or len(_CHINESE.findall(said)) <= len(kana)):
        return _against_english("ja", said)
    if han:
        return "ko" if len(_SCRIPTS["ko"].findall(said)) > han else "zh"
    scripts = {code: len(letters.findall(said)) for code, letters in _SCRIPTS.items()}
    scripts["ja"] = len(kana)
    most = max(scripts, key=lambda code: scripts[code])
    if scripts[most]:
        return _against_english(most, said)
    if any(char.isalpha() and unicodedata.name(char, "").startswith("LATIN") for char in said):
        return load_languages().latin(said)
    return ""


def danger_in(text: str, language: str) -> tuple[str, ...]:
    """Return the words of danger of a text, as they stand in its plain form, each once.

    Parameters
    ----------
    language
        As :func:`language_of` has it; one without words (also ``zh``, ``en``) finds none.
    """
    found, _ = load_languages().find(plain(text)[:MAX_CHARS], language)
    return tuple(dict.fromkeys(word for word, _ in found))


def category_of(words: Iterable[str], language: str) -> str:
    """Return the category that words of :func:`danger_in` speak for most.

    ``city.other`` where they only call for help.
    """
    found: set[str] = set()
    order: tuple[str, ...] = ()
    for word in words:
        hits, order = load_languages().find(word, language)
        found.update(category for _, category in hits)
    return next((category for category in order if category in found), OTHER)


@lru_cache(maxsize=4)
def load_languages(path: Path = DATA) -> Languages:
    """Read and check a file of languages, once.

    Raises
    ------
    RulesError
        It can't be read, lacks a language that is told apart, or names an unknown category or an
        empty word.
    """
    try:
        data = path.read_bytes()
        tree = YAML(typ="safe", pure=True).load(io.StringIO(data.decode("utf-8")))
        entries = msgspec.convert(tree, dict[str, _Language])
    except (OSError, UnicodeDecodeError, YAMLError, msgspec.ValidationError) as error:
        raise RulesError(f"{path}: {error}") from error
    if lacking := [code for code in ("en", *_LATIN) if not entries.get(code, _Language()).little]:
        raise RulesError(f"{path}: {', '.join(lacking)}: no little words")
    for code, entry in entries.items():
        for category_id, terms in entry.danger.items():
            if category_id not in categories():
                raise RulesError(f"{path}: {code}: category {category_id!r} is not in models/data")
            if not all(term.strip("- ") for term in terms):
                raise RulesError(f"{path}: {code}: {category_id}: a word is empty")
        if not all(term.strip("- ") for term in entry.nothing):
            raise RulesError(f"{path}: {code}: nothing: a word is empty")
    return Languages(entries, hashlib.sha256(data).hexdigest()[:12])


def _against_english(code: str, text: str) -> str:
    """A language by its script, but English where a few foreign words stand in its sentence."""
    letters = _SCRIPTS[code]
    words = [word for word in text.split() if letters.search(word)]
    if code == "ru":
        # A look-alike letter in a Latin word is a slip, not a language.
        words = [word for word in words if not _ASCII_LETTER.search(word)]
    length = sum(len(letters.findall(word)) for word in words)
    weight = max(len(words), length // _LETTERS_OF_A_WORD)
    is_foreign = weight > 0 and load_languages().english(text) <= weight
    return code if is_foreign else load_languages().latin(text)


def _finder(code: str, entry: _Language, *, accents: bool) -> _Finder:
    terms = [
        (term, category_id)
        for category_id, named in (*entry.danger.items(), ("", entry.nothing))
        for term in named
        if accents or code != "vi" or " " in term
    ]
    terms.sort(key=lambda term: (-len(term[0]), term))
    return _Finder(
        re.compile("|".join(f"({_pattern(term, code, accents=accents)})" for term, _ in terms)),
        tuple(category_id for _, category_id in terms),
        tuple(entry.danger),
    )


def _pattern(term: str, code: str, *, accents: bool) -> str:
    folded, _ = _fold(plain(term).strip("-"), code, accents=accents)
    if code in _SPACELESS:
        return re.escape(folded)
    body = r"\s+".join(re.escape(word) for word in folded.split())
    # Who shouts draws the last letter out.
    end = f"{_IN_WORD}*" if term.endswith("-") else f"{re.escape(folded[-1])}*"
    start = f"{_IN_WORD}*" if term.startswith("-") else ""
    prefix = _ARABIC_PREFIX if code == "ar" else ""
    return f"(?<!{_IN_WORD}){prefix}{start}{body}{end}(?!{_IN_WORD})"


def _fold(text: str, language: str, *, accents: bool) -> tuple[str, list[int]]:
    """Return a text as words are compared, and for each character where it stood."""
    folded: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for one in _forms(char, language, accents):
            # German without umlauts: ae for ä, and so in every word alike.
            if language == "de" and one == "e" and folded and folded[-1] in "aou":
                continue
            folded.append(one)
            places.append(place)
    return "".join(folded), places


@lru_cache(maxsize=4096)
def _forms(char: str, language: str, accents: bool) -> str:
    if language in _SPACELESS:
        return "" if char.isspace() else char.casefold()
    if accents or language == "hi":
        return char.casefold().translate(_HINDI)
    return _folded(char).translate(_ARABIC) if language == "ar" else _folded(char)


@lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    """Lower case without accents; ``đ`` is ``d``, a bent apostrophe a straight one."""
    parts = unicodedata.normalize("NFD", text.casefold())
    bare = "".join(char for char in parts if not unicodedata.combining(char))
    return bare.replace("đ", "d").replace("œ", "oe").replace("’", "'")
