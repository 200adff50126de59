"""The command line ``gridcommand``: what it offers, and how errors reach the person.

A known error (:class:`models.errors.GridcommandError`) is one sentence on standard error; any
other is one sentence and, with ``--debug`` or in a process that stays, its traceback.

Exit codes: 0 done; 1 it did not work, or a check found something; 2 wrong usage or settings;
70 a mistake of ours; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from gridcommand import (
    account_commands,
    backup_commands,
    city_commands,
    dead_letter_commands,
    device_commands,
    drill_commands,
    installation_commands,
    journal_commands,
    playbook_commands,
    rehearsal_commands,
    run_commands,
    topic_commands,
    understanding_commands,
)
from gridcommand.configuration import SettingsError
from models.errors import GridcommandError

FAILED, MISUSED, OUR_MISTAKE, INTERRUPTED = 1, 2, 70, 130
ROOMS = ("models", "playbooks", "dispatch", "streams", "web_console", "gridcommand")

app = typer.Typer(
    name="gridcommand",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Event-driven emergency command and grid dispatch for a city.\n\n"
    "Start a living city: `gridcommand up --demo`\n\n"
    "Start your own, live: `gridcommand up --city liyang`\n\n"
    "Something is wrong: `gridcommand doctor`\n\n"
    "Settings come from options, `GRIDCOMMAND_…` variables and gridcommand.toml, in this order; "
    "docs/settings.md lists them.",
)
run_commands.add_to(app)
app.add_typer(drill_commands.app, name="drill")
app.add_typer(journal_commands.app, name="journal")
app.add_typer(playbook_commands.app, name="playbook")
app.add_typer(account_commands.app, name="user")
app.add_typer(device_commands.app, name="device")
app.add_typer(understanding_commands.app, name="understanding")
app.add_typer(dead_letter_commands.app, name="dead-letters")
rehearsal_commands.add_to(app)
installation_commands.add_to(app)
backup_commands.add_to(app)
app.add_typer(topic_commands.app, name="topics")
app.add_typer(city_commands.app, name="city")


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from, line by line.")
    ] = False,
) -> None:
    if debug:
        os.environ["GRIDCOMMAND_DEBUG"] = "1"


def main() -> NoReturn:
    """Run the command line and exit."""
    # A city's own policy (module:Class) lies where one works; last, so that it hides nothing.
    if "" not in sys.path:
        sys.path.append("")
    try:
        app()
        code = 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SettingsError as error:
        code = _say(str(error), MISUSED)
    except GridcommandError as error:
        code = _say(str(error), FAILED)
    except BrokenPipeError:
        # Who reads us has seen enough (`gridcommand … | head`); nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        package = error.name if isinstance(error, ModuleNotFoundError) else None
        if package and package.partition(".")[0] not in ROOMS:
            sys.exit(_say(f"the package {package} is not installed here: run make set-up", FAILED))
        code = _say(
            f"unexpected {type(error).__name__}: {error}; "
            "gridcommand --debug … shows where, gridcommand doctor checks the machine",
            OUR_MISTAKE,
        )
    sys.exit(code)


def _say(message: str, code: int) -> int:
    if os.environ.get("GRIDCOMMAND_DEBUG") or (code == OUR_MISTAKE and not sys.stderr.isatty()):
        traceback.print_exc()
    print(f"gridcommand: {message}", file=sys.stderr)
    return code
