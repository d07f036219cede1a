"""The log's own few tables, as numbered steps. A released step never changes; add another one.

{int} and {bytes} stand for each engine's types, {strict} for SQLite's type checks, {vault} for the
keys' schema. Inline tables are not here:
they are made from their definitions and rebuilt from the log.
"""

from __future__ import annotations

STEPS: tuple[tuple[str, ...], ...] = (
    (
        # One row per shard: whoever leads it raised the epoch.
        "CREATE TABLE shard (shard {int} PRIMARY KEY, epoch {int} NOT NULL) {strict}",
        """CREATE TABLE fact (
            shard {int} NOT NULL, seq {int} NOT NULL, t {int} NOT NULL, org text NOT NULL,
            stream text NOT NULL, version {int} NOT NULL, type text NOT NULL, type_version {int} NOT NULL,
            actor text NOT NULL, subject text, data {bytes} NOT NULL, sealed {bytes},
            CONSTRAINT fact_position PRIMARY KEY (shard, seq), CONSTRAINT fact_stream UNIQUE (stream, version)
        ) {strict}""",
        """CREATE TABLE command_key (
            org text NOT NULL, actor text NOT NULL, key text NOT NULL, t {int} NOT NULL, answer {bytes} NOT NULL,
            CONSTRAINT command_key_once PRIMARY KEY (org, actor, key)
        ) {strict}""",
        """CREATE TABLE snapshot (
            shard {int} NOT NULL, seq {int} NOT NULL, code text NOT NULL, data {bytes} NOT NULL,
            PRIMARY KEY (shard, seq, code)
        ) {strict}""",
        "CREATE TABLE projection (name text PRIMARY KEY, fingerprint text NOT NULL, ready {int} NOT NULL) {strict}",
        """CREATE TABLE session (
            kind text NOT NULL, token {bytes} NOT NULL, org text NOT NULL, actor text NOT NULL,
            created {int} NOT NULL, expires {int} NOT NULL, data text NOT NULL, PRIMARY KEY (kind, token)
        ) {strict}""",
        "CREATE INDEX session_actor ON session (org, actor, kind)",
        "CREATE INDEX session_expires ON session (expires)",
        """CREATE TABLE draft (
            org text NOT NULL, conversation text NOT NULL, kind text NOT NULL, agent text NOT NULL,
            subject text NOT NULL, revision {int} NOT NULL, t {int} NOT NULL, sealed {bytes} NOT NULL,
            PRIMARY KEY (org, conversation, kind)
        ) {strict}""",
        "CREATE INDEX draft_subject ON draft (subject)",
        """CREATE TABLE job (
            id text PRIMARY KEY, queue text NOT NULL, key text NOT NULL, payload text NOT NULL,
            attempt {int} NOT NULL, due {int} NOT NULL, dead {int} NOT NULL, owner text, reason text,
            CONSTRAINT job_key UNIQUE (queue, key)
        ) {strict}""",
        "CREATE INDEX job_due ON job (dead, queue, due)",
        """CREATE TABLE secret (
            org text NOT NULL, name text NOT NULL, sealed {bytes} NOT NULL, PRIMARY KEY (org, name)
        ) {strict}""",
        "CREATE TABLE blob (address text PRIMARY KEY, subject text NOT NULL, size {int} NOT NULL) {strict}",
        "CREATE INDEX blob_subject ON blob (subject)",
    ),
)

FOLLOWER_STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE follower (
            name text NOT NULL, version {int} NOT NULL, position {int} NOT NULL, live {int} NOT NULL,
            PRIMARY KEY (name, version)
        ) {strict}""",
    ),
)
"""Beside a follower's tables: in its file on SQLite."""

POSTGRES_STEPS: tuple[tuple[str, ...], ...] = (
    (
        # Answers are read back newest first when a leader starts.
        "CREATE INDEX command_key_t ON command_key (t)",
        """CREATE TABLE blob_chunk (
            address text NOT NULL, n bigint NOT NULL, data bytea NOT NULL, PRIMARY KEY (address, n)
        )""",
        "ALTER TABLE blob_chunk ALTER COLUMN data SET STORAGE EXTERNAL",  # ciphertext does not compress
        *FOLLOWER_STEPS[0],
    ),
)
"""What SQLite keeps otherwise: blobs are files, followers have files, answers are in the order of the rowid."""


KEY_STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE {vault}subject_key (
            subject text PRIMARY KEY, wrapped {bytes}, destroyed {int} NOT NULL
        ) {strict}""",
    ),
)
"""The key store: keys.db on SQLite, the schema `vault` on PostgreSQL. Backed up apart from the log."""
