"""Faults at random, as the command does them: the same seed plans the same, and all is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gridcommand.rehearsal.chaos import BETWEEN_S, HALT_S, plan
from gridcommand.rehearsal.system import CHILDREN


def test_a_seed_plans_the_same_faults_and_all_kinds_come() -> None:
    faults = plan(7, 3600)
    assert faults == plan(7, 3600)
    assert faults != plan(8, 3600)
    assert {fault.kind for fault in faults} == {"kill", "halt", "kill-all"}
    assert {fault.target for fault in faults} == {*CHILDREN, "supervisor"}
    assert all(fault.after_s <= BETWEEN_S[1] for fault in faults)
    assert all(HALT_S[0] <= f.lasts_s <= HALT_S[1] for f in faults if f.kind == "halt")


@pytest.mark.broker
@pytest.mark.timeout(240)
def test_a_short_run_loses_nothing(tmp_path: Path) -> None:
    command = ["chaos", "--minutes", "0.25", "--seed", "3", "--rate", "200", "--readings", "2000"]
    done = subprocess.run(
        [sys.executable, "-m", "gridcommand", *command, "--keep", str(tmp_path / "var")],
        capture_output=True,
        text=True,
        check=False,
        timeout=220,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert verdict["acknowledged"] == 3000
    assert verdict["decided"] == 3000
    assert verdict["watched"] == {"conditions": 20, "missed": 0, "doubled": 0}
    assert (verdict["lost"], verdict["doubled"]) == (0, 0)
    assert "kill -9" in done.stderr or "halts" in done.stderr
