"""Tools without domain words: clock, ids, supervised tasks, discovery, fault points, errors."""
