"""File descriptors: one for each screen, and some left for the database.

Many systems give a process 1024 to begin with and allow it many more (the soft and the hard limit
of ``RLIMIT_NOFILE``). A console whose screens use them all up can't open its database either, so
it asks for all it may have and takes no more screens than that bears.
"""

from __future__ import annotations

import logging
import resource
from typing import Final

log = logging.getLogger(__name__)

A_SCREEN: Final = 2
"""Its live channel, and a request that its page makes beside it."""
SPARE: Final = 256
"""Database, broker, logs, pages being served; those who are being refused."""


def needed(screens: int) -> int:
    """Return how many descriptors a console needs for so many screens."""
    return SPARE + A_SCREEN * screens


def allowed() -> int:
    """Return how many descriptors this process may have when it asks for them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 2**31 if hard == resource.RLIM_INFINITY else hard


def screens_borne(wanted: int) -> int:
    """Raise this process's limit to what is allowed; return how many screens that bears.

    Parameters
    ----------
    wanted
        Screens to be taken at most.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        limit = allowed()
        log.info("%d file descriptors allowed, %d before", limit, soft)
    except (OSError, ValueError) as error:
        limit = soft
        log.warning("still %d file descriptors: more can't be had (%s)", soft, error)
    borne = max(1, (limit - SPARE) // A_SCREEN)
    if borne < wanted:
        log.warning(
            "%d file descriptors bear %d screens, not %d: raise the hard limit "
            "(LimitNOFILE in the unit), or lower screens_max",
            limit,
            borne,
            wanted,
        )
    return min(borne, wanted)
