"""``gridcommand chaos``: pull the plugs of a system of one's own, and see what it kept."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import msgspec
import typer


def add_to(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(rich_help_panel="Look after")(chaos)


def chaos(
    minutes: Annotated[float, typer.Option(min=0.1, max=600, help="How long reports flow.")] = 2.0,
    seed: Annotated[int, typer.Option(help="Decides what is ended and halted, and when.")] = 1,
    rate: Annotated[float, typer.Option(min=1, max=1000, help="Reports a second.")] = 50.0,
    keep: Annotated[
        Path | None, typer.Option(help="Data folder to use and to leave; a new one if not given.")
    ] = None,
) -> None:
    """End and halt processes of a system of one's own at random while reports flow.

    Starts its own system in a folder of its own on free loopback ports, with the settings of
    this shell left out, and ends only what it started. The last line is the checker's verdict as
    JSON; exit code 1 when anything acknowledged is lost, doubled or undecided, or the journal
    doesn't hold.

    Example: `gridcommand chaos --minutes 5 --seed 7`
    """
    from gridcommand.rehearsal.chaos import run

    began = time.monotonic()

    def tell(sentence: str) -> None:
        typer.echo(f"{time.monotonic() - began:7.1f} s  {sentence}", err=True)

    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tell(f"starting a system in {folder}")
        verdict = asyncio.run(run(folder, seconds=minutes * 60, seed=seed, rate=rate, tell=tell))
    typer.echo(
        f"{'holds' if verdict.holds else 'BROKEN'}: {verdict.acknowledged} acknowledged, "
        f"{verdict.decided} decided, {verdict.dead_lettered} dead-lettered, {verdict.lost} lost, "
        f"{verdict.doubled} doubled, {verdict.waiting} undecided, {verdict.unseen} not seen; "
        f"longest silence {verdict.longest_silence_s:.1f} s"
        + (f"; journal: {verdict.journal}" if verdict.journal else "")
    )
    typer.echo(msgspec.json.encode(verdict).decode())
    if not verdict.holds:
        raise typer.Exit(1)
