"""The ways to a media server: `server` speaks to ours, `fake` is one in this process, for tests."""
