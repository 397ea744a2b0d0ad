"""How home.db grows: numbered steps, each all or nothing; a released step is never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from toolwright.errors import SettingsError
from toolwright.store.audit import begin_chain
from toolwright.store.database import transaction

Step = str | Callable[[sqlite3.Connection], None]
"""SQL, or what SQL cannot do."""

STEPS: tuple[Step, ...] = (
    # 1
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        namespace TEXT NOT NULL,
        task TEXT NOT NULL,
        status TEXT NOT NULL,
        model TEXT NOT NULL,
        surface TEXT NOT NULL,
        started_at REAL NOT NULL,
        ended_at REAL,
        output TEXT NOT NULL,
        made TEXT NOT NULL,
        reused TEXT NOT NULL,
        files TEXT NOT NULL,
        cost TEXT NOT NULL,
        settings TEXT NOT NULL
    );
    CREATE INDEX runs_by_start ON runs (started_at);
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        data TEXT NOT NULL
    );
    CREATE INDEX events_by_run ON events (run_id, id);
    CREATE TABLE journal (
        run_id TEXT NOT NULL,
        role TEXT NOT NULL,
        step INTEGER NOT NULL,
        position TEXT NOT NULL,
        at REAL NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (run_id, role, step, position)
    );
    CREATE TABLE ledger (
        id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL,
        role TEXT NOT NULL,
        step INTEGER NOT NULL,
        position TEXT NOT NULL,
        model TEXT NOT NULL,
        tool TEXT NOT NULL,
        at REAL NOT NULL,
        state TEXT NOT NULL,
        tokens_in INTEGER NOT NULL,
        tokens_out INTEGER NOT NULL,
        dollars REAL,
        calls INTEGER NOT NULL
    );
    CREATE INDEX ledger_by_run ON ledger (run_id, step, position);
    CREATE INDEX ledger_by_tool ON ledger (tool);
    CREATE INDEX ledger_by_time ON ledger (at);
    CREATE TABLE approvals (
        id INTEGER PRIMARY KEY,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        powers TEXT NOT NULL,
        packages TEXT NOT NULL,
        effect TEXT NOT NULL,
        origin TEXT NOT NULL,
        digest TEXT NOT NULL,
        who TEXT NOT NULL,
        at REAL NOT NULL,
        standing INTEGER NOT NULL,
        revoked_at REAL
    );
    CREATE INDEX approvals_by_name ON approvals (namespace, name);
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        number INTEGER NOT NULL,
        digest TEXT NOT NULL,
        run_id TEXT NOT NULL,
        place TEXT NOT NULL,
        at REAL NOT NULL,
        status TEXT NOT NULL,
        reason TEXT NOT NULL,
        error TEXT NOT NULL,
        wall_s REAL NOT NULL,
        cpu_s REAL NOT NULL,
        peak_memory_bytes INTEGER NOT NULL
    );
    CREATE INDEX calls_by_version ON calls (namespace, name, number);
    CREATE INDEX calls_by_run ON calls (run_id);
    CREATE TABLE "values" (
        run_id TEXT NOT NULL,
        handle TEXT NOT NULL,
        at REAL NOT NULL,
        data TEXT NOT NULL,
        PRIMARY KEY (run_id, handle)
    );
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        number INTEGER,
        detail TEXT NOT NULL
    );
    """,
    """
    CREATE TABLE live_runs (key TEXT PRIMARY KEY, at REAL NOT NULL)
    """,
    """
    CREATE TABLE turns (
        run_id TEXT NOT NULL,
        ending INTEGER NOT NULL,
        parent TEXT NOT NULL,
        parent_ending INTEGER NOT NULL,
        shown TEXT NOT NULL,
        made TEXT NOT NULL,
        messages TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (run_id, ending)
    )
    """,
    """
    ALTER TABLE ledger ADD COLUMN namespace TEXT NOT NULL DEFAULT 'local';
    ALTER TABLE ledger ADD COLUMN usage TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE ledger ADD COLUMN priced_by TEXT NOT NULL DEFAULT '';
    CREATE INDEX ledger_by_tenant ON ledger (namespace, at);
    ALTER TABLE approvals ADD COLUMN until REAL;
    ALTER TABLE approvals ADD COLUMN request INTEGER;
    CREATE TABLE asked (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        namespace TEXT NOT NULL,
        run_id TEXT NOT NULL,
        place TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        digest TEXT NOT NULL,
        shown TEXT NOT NULL,
        at REAL NOT NULL,
        until REAL,
        state TEXT NOT NULL,
        scope TEXT NOT NULL,
        who TEXT NOT NULL,
        reason TEXT NOT NULL,
        answered_at REAL
    );
    CREATE UNIQUE INDEX asked_once ON asked (run_id, place, kind, digest);
    CREATE INDEX asked_open ON asked (namespace, state, at);
    CREATE TABLE covered (
        approval INTEGER NOT NULL,
        digest TEXT NOT NULL,
        number INTEGER NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (approval, digest)
    );
    ALTER TABLE audit ADD COLUMN run_id TEXT NOT NULL DEFAULT '';
    ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';
    CREATE TABLE audit_head (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        count INTEGER NOT NULL,
        hash TEXT NOT NULL
    );
    ALTER TABLE turns ADD COLUMN taint TEXT NOT NULL DEFAULT '[]';
    CREATE TABLE rates (namespace TEXT NOT NULL, name TEXT NOT NULL, at REAL NOT NULL);
    CREATE INDEX rates_by_tool ON rates (namespace, name, at)
    """,
    begin_chain,
)
"""Step n brings a home from version n - 1 to version n."""


UNCHAINED = STEPS[: STEPS.index(begin_chain)]
"""What an older home that may only be read is brought to, in memory: its lines stay told to be from before."""


def migrate(db: sqlite3.Connection, steps: tuple[Step, ...] = STEPS) -> None:
    """Bring the database to the last step; SettingsError if a newer release made it. sqlite3.Error."""
    if check(db, len(steps)) == len(steps):
        return
    # Several processes may open an old home at once: the first migrates, the others find it done.
    with transaction(db):
        for number in range(check(db, len(steps)), len(steps)):
            step = steps[number]
            if callable(step):
                step(db)
            else:
                for statement in step.split(";"):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {number + 1}")


def check(db: sqlite3.Connection, newest: int = len(STEPS)) -> int:
    """The version of the database. SettingsError for one above *newest*."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > newest:
        raise SettingsError(
            f"This home is of version {version}, made by a newer Toolwright; this one knows up to {newest}. "
            "Install the newer release, or choose another home with --home DIR."
        )
    return version
