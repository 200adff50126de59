"""A connection to PostgreSQL that doesn't wait for ever.

The server's own time limits end a statement only while the server runs, and TCP's only notice a
network or machine that is gone. A server that is halted (SIGSTOP, a frozen virtual machine, a
disk that hangs) keeps its sockets open and says nothing: whoever waits for it must look at its
own watch.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

RV = TypeVar("RV")
LOOK_S = 0.1


def connection_class(answer_within_s: float) -> type[psycopg.Connection[Any]]:
    """Return a class of connections that close when a statement isn't answered in time.

    The statement may still come to stand, as with any connection that is lost.
    """

    class Connection(psycopg.Connection[Any]):
        def wait(
            self,
            gen: Generator[Any, Any, RV],
            interval: float = LOOK_S,
            timeout: float | None = None,
        ) -> RV:
            try:
                return super().wait(gen, interval, answer_within_s if timeout is None else timeout)
            except psycopg.errors._WaitTimeout as error:
                if timeout is not None:
                    raise
                self.pgconn.finish()
                raise psycopg.OperationalError(
                    f"no answer within {answer_within_s:g} s: the server is halted or overloaded"
                ) from error

    return Connection
