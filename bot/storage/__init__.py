"""One database, two dialects: transactions, the UTC type and the base of every table.

Queries are SQLAlchemy Core statements on an `AsyncConnection`; the declarative classes describe tables,
they are never loaded as objects, so nothing is fetched or flushed behind the reader's back.
"""

from bot.storage.database import Database, Tx, insert_into
from bot.storage.outage import is_outage
from bot.storage.types import Base, Id, Json, UtcDateTime, database_epoch

__all__ = ["Base", "Database", "Id", "Json", "Tx", "UtcDateTime", "database_epoch", "insert_into", "is_outage"]
