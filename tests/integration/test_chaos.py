"""Faults at random, as the command does them: the same seed plans the same, and all is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gridcommand.rehearsal.faults import BESIDE, BETWEEN_S, LASTS_S, STAYS_S, plan
from gridcommand.rehearsal.system import CHILDREN

KINDS = {"kill", "halt", "kill-all", "lock", "poison", "screens"}
SECOND_WORKER = {"worker-ends", "worker-dies"}


@pytest.mark.parametrize(("partitions", "kinds"), [(False, KINDS), (True, KINDS | SECOND_WORKER)])
def test_a_seed_plans_the_same_faults_and_all_kinds_come(partitions: bool, kinds: set[str]) -> None:
    faults = plan(7, 3600, partitions=partitions)
    assert faults == plan(7, 3600, partitions=partitions)
    assert faults != plan(8, 3600, partitions=partitions)
    assert {fault.kind for fault in faults} == kinds
    of_processes = [fault.target for fault in faults if fault.kind in ("kill", "halt")]
    assert set(of_processes) == set(CHILDREN)
    assert all(fault.after_s <= BETWEEN_S[1] for fault in faults)
    assert all(LASTS_S[0] <= f.lasts_s <= LASTS_S[1] for f in faults if f.kind in ("halt", "lock"))
    assert all(STAYS_S[0] <= f.lasts_s <= STAYS_S[1] for f in faults if f.kind in BESIDE)


@pytest.mark.broker
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--city", "liyang"], id="liyang-embedded"),
        pytest.param([], id="embedded"),
        pytest.param(["--kafka"], id="kafka", marks=pytest.mark.servers),
    ],
)
def test_a_short_run_loses_nothing(tmp_path: Path, options: list[str]) -> None:
    command = ["chaos", "--minutes", "0.25", "--seed", "26", *options]
    done = subprocess.run(
        [sys.executable, "-m", "gridcommand", *command, "--keep", str(tmp_path / "var")],
        capture_output=True,
        text=True,
        check=False,
        timeout=480,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout.splitlines()[-1])
    poisoned = done.stderr.count("an evil report")
    assert verdict["acknowledged"] == 3000 + poisoned
    assert (verdict["decided"], verdict["dead_lettered"]) == (3000, poisoned)
    assert verdict["watched"] == {"conditions": 20, "missed": 0, "doubled": 0}
    assert (verdict["lost"], verdict["doubled"], verdict["two_places"]) == (0, 0, 0)
    assert "acknowledged; " in done.stderr, "something was done to it"


@pytest.mark.broker
def test_told_to_end_it_leaves_nothing_running(tmp_path: Path) -> None:
    command = ["chaos", "--minutes", "5", "--keep", str(tmp_path / "var")]
    with subprocess.Popen(
        [sys.executable, "-m", "gridcommand", *command], stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "acknowledged; " in line:
                break
        started = psutil.Process(running.pid).children(recursive=True)
        assert len(started) >= len(CHILDREN)
        running.terminate()
        running.communicate(timeout=30)
    _, alive = psutil.wait_procs(started, timeout=5)
    assert not alive
