"""The store's fault points."""

from __future__ import annotations

from guichet.kit.faults import declare

BEFORE_COMMIT = declare("store.append.before_commit")
AFTER_COMMIT = declare("store.append.after_commit")
BLOB_WRITTEN = declare("store.blob.written")
KEYS_WRITTEN = declare("store.keys.written")
FOLLOWER_BEFORE_COMMIT = declare("store.follower.before_commit")
JOB_CLAIMED = declare("store.job.claimed")
