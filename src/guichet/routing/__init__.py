"""The routing engine, its drivers in the leader, offers, presence, capacity, queues."""
