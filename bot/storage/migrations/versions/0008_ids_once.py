"""On SQLite no id is given twice, as on PostgreSQL: keys against repeats, buttons and the audit are built on ids.

SQLite gives the highest id anew once its row is deleted, unless a table was made otherwise; so tables are made anew.
"""

import re

from alembic import op
from sqlalchemy import Connection, text

revision = "0008"
down_revision = "0007"

TABLES = (
    "appointment", "asked_question", "audit", "chat", "consent", "contact", "desk_question", "entry_revision", "event",
    "expert", "inbox", "outbox", "subscription", "web_chat",
)  # fmt: skip


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        for table in TABLES:
            _number_once(connection, table)
        assert not connection.exec_driver_sql("PRAGMA foreign_key_check").all()


def _number_once(connection: Connection, table: str) -> None:
    found = text("SELECT type, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL")
    rows = connection.execute(found, {"table": table}).all()
    (made,) = [sql for kind, sql in rows if kind == "table"]
    new, ids = re.subn(r"(?m)^\tid INTEGER NOT NULL", "\tid INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", made)
    new, keys = re.subn(rf",\s*CONSTRAINT pk_{table} PRIMARY KEY \(id\)", "", new)
    new, names = re.subn(rf"^CREATE TABLE {table} \(", f"CREATE TABLE new_{table} (", new)
    assert (ids, keys, names) == (1, 1, 1), table
    connection.exec_driver_sql(new)
    connection.exec_driver_sql(f"INSERT INTO new_{table} SELECT * FROM {table}")
    connection.exec_driver_sql(f"DROP TABLE {table}")
    connection.exec_driver_sql(f"ALTER TABLE new_{table} RENAME TO {table}")
    for kind, sql in rows:
        if kind != "table":
            connection.exec_driver_sql(sql)
