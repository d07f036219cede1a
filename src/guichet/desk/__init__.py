"""Agents' and leaders' desks: what they may watch (views), how it reaches them (hub, socket), what they ask (api)."""
