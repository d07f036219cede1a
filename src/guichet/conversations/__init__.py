"""Conversations: what state they are in, what may be asked of them, what people read."""
