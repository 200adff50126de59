"""A console that waits for its database as long as a slow machine takes.

Not for tests of how long it waits.
"""

from __future__ import annotations

import pytest

from tests.waiting import HANG_S
from web_console import console as console_module
from web_console import server as server_module
from web_console.console import Console


def patient(console: Console) -> Console:
    """Have a console give no call of the database up."""
    for ask in (console.intake, console.reads, console.journal):
        ask._within_s = HANG_S
    return console


def only_patient_consoles(patch: pytest.MonkeyPatch) -> None:
    """Have every console that :func:`run_console` makes be a patient one."""
    patch.setattr(console_module, "WITHIN_S", HANG_S)
    patch.setattr(server_module, "Console", lambda *parts: patient(Console(*parts)))
