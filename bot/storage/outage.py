"""Telling a database that is away, or too busy, from a statement that is wrong."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionInTimeError

PASSING = ("08", "40", "53", "57", "58")
"""Classes of SQLSTATE for which the same may well work later: connection, rollback of a deadlock, lack of resources,
the operator's intervention, and errors of the system below."""


def is_outage(error: BaseException) -> bool:
    """Whether the database could not be reached or could not go on, so that trying again later makes sense."""
    if isinstance(error, OperationalError | InterfaceError | NoConnectionInTimeError | OSError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    state = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)
    return isinstance(state, str) and state.startswith(PASSING)
