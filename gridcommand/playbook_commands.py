"""``gridcommand playbook``: looking after response plans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridcommand.configuration import load_settings
from gridcommand.run_commands import CityOption

app = typer.Typer(no_args_is_help=True, help="Response plans (预案).", rich_markup_mode="markdown")


@app.command("lint")
def lint(
    directory: Annotated[
        Path | None, typer.Argument(help="Folder of playbooks; the city's own by default.")
    ] = None,
    city: CityOption = None,
) -> None:
    """Check playbooks: file, line, column and what is wrong. Exit code 1 when something is.

    A warning is what perhaps isn't meant; such a playbook is used.

    Examples: `gridcommand playbook lint`, `gridcommand playbook lint my_plans/`
    """
    from gridcommand.preparation import require_city
    from playbooks.lint import check_directory

    settings = load_settings(city=city)
    if directory is None:
        require_city(settings)
    where = directory or settings.plans_dir
    if not where.is_dir():
        raise typer.BadParameter(f"there is no folder {where}", param_hint="DIRECTORY")
    checked = check_directory(where)
    for warning in checked.warnings:
        typer.echo(f"warning: {warning}")
    for problem in checked.problems:
        typer.echo(problem)
    if checked.problems:
        typer.echo(f"{len(checked.problems)} to mend in {where}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{where}: nothing to mend")
