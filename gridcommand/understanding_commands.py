"""``gridcommand understanding``: a city's people teach the reader of texts, and judge it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridcommand.configuration import load_settings
from gridcommand.journal_commands import opened_store
from models.city import CityPack
from models.errors import GridcommandError

if TYPE_CHECKING:
    from models.examples import Example, Sorted
    from models.store import Store
    from streams.classify.judging import Read
    from streams.classify.reader import EncodedText
    from streams.classify.sentences import Sentence
    from streams.classify.taught import Taught
    from streams.classify.teaching import Lessons

SHOWN = 20
TEXT_WIDTH = 60
HELD_OUT = "held-out points of view"
NOT_INSTALLED = "the corpus is not installed here (a checkout has it)"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="What texts are taken for: teach it by what your people decided, and see how well it "
    "does. docs/understanding.md says how texts are read.",
)

Of = Annotated[str, typer.Option("--jurisdiction", help="Whose examples; the city's by default.")]
OfAny = Annotated[str, typer.Option("--jurisdiction", help="Whose examples; all by default.")]


class TeachingError(GridcommandError):
    """What can't be done with examples; the message says why and what to do."""


@app.command("teach")
def teach(
    jurisdiction: Annotated[
        str, typer.Option(help="Whose journal; all of the live side by default.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be learned, and write nothing.")
    ] = False,
) -> None:
    """Learn from the journals what your people said that texts are.

    Takes each incident of the live side that a person triaged and whose text was read, without
    names, numbers and other personal details. Says what was learned and what was not, and how well
    texts are understood before and after. Workers use it within a minute; again learns nothing
    twice.

    Example: `gridcommand understanding teach --dry-run`
    """
    from streams.classify.taught import Taught

    judge = _Judge()
    with opened_store() as store:
        names = [head.jurisdiction for head in store.heads() if not head.exercise]
        if jurisdiction and jurisdiction not in names:
            raise TeachingError(
                f"there is no journal of {jurisdiction} that isn't an exercise's "
                f"(there is: {', '.join(names) or 'none yet'})"
            )
        if not names:
            typer.echo("There is no journal of the live side yet.")
        for name in [jurisdiction] if jurisdiction else names:
            found = _lessons(store, name)
            before = store.examples(name)
            of: Sorted = store.sort_examples(found.examples)
            if not dry_run and (of.new or of.changed):
                of = store.learn(found.examples, datetime.now(UTC))
            _say_learned(name, of, found, dry_run=dry_run)
            if not (of.new or of.changed):
                continue
            after = _with(before, of) if dry_run else store.examples(name)
            known = Taught(before)
            judge.compare(after, known, Taught(after, known))


@app.command("evaluate")
def evaluate(
    jurisdiction: Of = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Say how well texts are understood, by the models alone and with what was taught.

    On the points of view of our corpus that no model was trained on, where it is installed (a
    checkout has it), and on the city's own examples, each judged without itself.

    Example: `gridcommand understanding evaluate --json`
    """
    from streams.classify.taught import Taught

    judge = _Judge()
    name = jurisdiction or judge.pack.jurisdiction
    with opened_store() as store:
        examples = store.examples(name)
    alone, taught = Taught(), Taught(examples)
    held_out = judge.held_out_figures(alone, taught)
    own = judge.own_figures(examples, alone, taught)
    if as_json:
        result = {
            "jurisdiction": name,
            "examples": len(examples),
            "held_out": held_out and dict(zip(("models", "taught"), held_out, strict=True)),
            "own": own and dict(zip(("models", "taught"), own, strict=True)),
        }
        typer.echo(json.dumps(result, ensure_ascii=False, indent=2))
        return
    typer.echo(f"{'':<48}{'models':>8}{'taught':>8}")
    if held_out is None:
        typer.echo(f"{HELD_OUT}: {NOT_INSTALLED}")
    else:
        _say_figures(HELD_OUT, *held_out)
    if own is None:
        typer.echo(f"examples of {name}: none yet; gridcommand understanding teach makes them")
    else:
        _say_figures(f"examples of {name}, each without itself", *own)


@app.command("list")
def list_examples(jurisdiction: OfAny = "") -> None:
    """List the examples, by id."""
    with opened_store() as store:
        examples = store.examples(jurisdiction or None)
    if not examples:
        typer.echo("There are no examples; gridcommand understanding teach makes them.")
    for one in examples:
        typer.echo(f"{one.id:>6}  {one.jurisdiction}  {_line(one)}  ({one.by}, {one.incident})")


@app.command("forget")
def forget(
    example_id: Annotated[
        int | None, typer.Argument(metavar="[ID]", help="Id of an example.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All of them; teach may learn them again.")
    ] = False,
    jurisdiction: Annotated[
        str, typer.Option(help="With --all: only those of this jurisdiction.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Forget an example for good, or empty the register.

    Of an example that is forgotten by its id no text is kept, and `teach` doesn't learn it again.

    Example: `gridcommand understanding forget 12`
    """
    if (example_id is None) != everything:
        raise typer.BadParameter("name one example by its id, or all of them with --all")
    with opened_store() as store:
        if example_id is None:
            there = len(store.examples(jurisdiction or None))
            if not yes:
                typer.confirm(f"Forget all {there} examples?", abort=True)
            typer.echo(f"{store.forget_examples(jurisdiction or None)} forgotten.")
            return
        one = next((each for each in store.examples() if each.id == example_id), None)
        if one is None:
            raise TeachingError(
                f"there is no example {example_id}; gridcommand understanding list shows them"
            )
        typer.echo(_line(one))
        if not yes:
            typer.confirm("Forget it for good?", abort=True)
        store.forget_example(example_id, datetime.now(UTC))
        typer.echo(f"{example_id} is forgotten.")


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="File to write: TSV, the corpus' columns.")],
    jurisdiction: OfAny = "",
    language: Annotated[str, typer.Option(help="Only zh or en; both by default.")] = "",
) -> None:
    """Write the examples as a table of the form that the reader is trained on.

    Look it through before you hand it on: names that nothing announces may stand in it.

    Example: `gridcommand understanding export zh-liyang.tsv --language zh`
    """
    from streams.classify.judging import sentence_of
    from streams.classify.sentences import written

    with opened_store() as store:
        examples = store.examples(jurisdiction or None)
    chosen = [one for one in examples if language in ("", one.language)]
    try:
        file.write_text(written(map(sentence_of, chosen)), "utf-8")
    except OSError as error:
        raise TeachingError(f"{file} can't be written: {error.strerror}") from error
    typer.echo(f"{file}: {len(chosen)} examples")


class _Judge:
    """Judges what examples do; encodes what it judges by once."""

    def __init__(self) -> None:
        from streams.classify.reader import thresholds_in_force

        settings = load_settings()
        self.pack = CityPack.load(settings.city_path)
        self._limits = thresholds_in_force(settings)
        self._held_out: tuple[list[Sentence], list[EncodedText]] | None = None

    def compare(self, examples: Sequence[Example], before: Taught, after: Taught) -> None:
        """Print the figures before and after, and what became worse."""
        from streams.classify.judging import in_short, worse

        typer.echo(f"{'':<48}{'before':>8}{'after':>8}")
        lost = []
        for where, found in (
            (HELD_OUT, self._on_held_out(before, after)),
            ("own examples, each without itself", self._on_own(examples, before, after)),
        ):
            if found is None:
                typer.echo(f"{where}: {NOT_INSTALLED}")
                continue
            first, second = found
            _say_figures(where, in_short(first), in_short(second))
            lost += worse(first, second)
        if not lost:
            typer.echo("Nothing became worse.")
            return
        typer.echo(f"Worse than before: {len(lost)}")
        for was, now in lost[:SHOWN]:
            reading = now.report.reading
            example = reading.taught if reading else ""
            typer.echo(
                f"  {was.report.category} {was.report.priority} → {now.report.category} "
                f"{now.report.priority}  by example {example}: {_short(was.sentence.text)}"
            )
        if len(lost) > SHOWN:
            typer.echo(f"  and {len(lost) - SHOWN} more")

    def held_out_figures(self, *by: Taught) -> list[dict[str, float | None]] | None:
        """Return the short figures on the held-out views; None where they aren't installed."""
        from streams.classify.judging import in_short

        found = self._on_held_out(*by)
        return None if found is None else [in_short(each) for each in found]

    def own_figures(
        self, examples: Sequence[Example], *by: Taught
    ) -> list[dict[str, float | None]] | None:
        """Return the short figures on a city's examples; None where there are none."""
        from streams.classify.judging import in_short

        found = self._on_own(examples, *by)
        return None if found is None else [in_short(each) for each in found]

    def _on_held_out(self, *by: Taught) -> list[list[Read]] | None:
        from streams.classify.judging import judged
        from streams.classify.reader import encode_texts
        from streams.classify.sentences import held_out, is_installed, sentences

        if not is_installed():
            return None
        if self._held_out is None:
            said = [one for view in sorted(held_out()) for one in sentences(view)]
            self._held_out = said, encode_texts([one.text for one in said])
        return [judged(*self._held_out, self.pack, taught, self._limits) for taught in by]

    def _on_own(self, examples: Sequence[Example], *by: Taught) -> list[list[Read]] | None:
        from streams.classify.judging import judged, sentence_of
        from streams.classify.reader import encode_texts

        if not examples:
            return None
        said = [sentence_of(one) for one in examples]
        encoded = encode_texts([one.text for one in said])
        return [
            judged(said, encoded, self.pack, taught, self._limits, left_out=True) for taught in by
        ]


def _lessons(store: Store, jurisdiction: str) -> Lessons:
    from models.events import decode
    from streams.classify.teaching import TEACHING, lessons_in

    return lessons_in(
        decode(entry.body) for entry in store.entries(jurisdiction) if entry.type in TEACHING
    )


def _with(before: Iterable[Example], of: Sorted) -> list[Example]:
    """Return the examples as they would be once these were learned."""
    by_text = {one.text: one for one in before}
    return list((by_text | {one.text: one for one in (*of.new, *of.changed)}).values())


def _say_learned(jurisdiction: str, of: Sorted, found: Lessons, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    for label, some in (("new", of.new), ("changed", of.changed)):
        for one in some[:SHOWN]:
            typer.echo(f"{label:<8}{_line(one)}")
        if len(some) > SHOWN:
            typer.echo(f"{'':<8}and {len(some) - SHOWN} more")
    for why, count in sorted(found.skipped.items()):
        typer.echo(f"skipped {count}: {why}")
    if of.forgotten:
        typer.echo(f"skipped {len(of.forgotten)}: to be forgotten")
    typer.echo(
        f"{jurisdiction}: {len(of.new)} {would}learned, {len(of.changed)} {would}changed, "
        f"{len(of.known)} known before"
    )


def _say_figures(
    where: str, first: dict[str, float | None], second: dict[str, float | None]
) -> None:
    typer.echo(where)
    for name, value in first.items():
        label = name.replace("_", " ").replace(".", " ")
        typer.echo(f"  {label:<46}{_number(value):>8}{_number(second[name]):>8}")


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _line(one: Example) -> str:
    marks = " ".join(
        mark for mark in ("danger" if one.danger else "", "" if one.real else one.modality) if mark
    )
    return f"{one.category:<28} {marks:<8} {_short(one.text)}"


def _short(text: str) -> str:
    return text if len(text) <= TEXT_WIDTH else f"{text[:TEXT_WIDTH]}…"
