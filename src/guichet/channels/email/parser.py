"""Parses mails beside the event loop: small ones in a thread, large ones in a process of their own."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import structlog

from guichet.channels.email.mime import Mail, parse_mail
from guichet.kit.errors import Refused

LARGE = 256 * 1024
"""Bytes from which a mail goes to the other process."""

log = structlog.get_logger(__name__)


class MailParser:
    """The other process starts with the first large mail; `close` ends it."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def parse(self, raw: bytes, envelope_sender: str | None) -> Mail:
        """Raises Refused(unavailable) when the process dies twice."""
        if len(raw) <= LARGE:
            return await asyncio.to_thread(parse_mail, raw, envelope_sender)
        loop = asyncio.get_running_loop()
        for _ in range(2):
            if self._pool is None:
                # spawn: a fork of a process with threads may never wake up
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(max_workers=1, mp_context=context)
            try:
                return await loop.run_in_executor(self._pool, parse_mail, raw, envelope_sender)
            except BrokenProcessPool:
                log.warning("the mail parser's process died")
                await self.close()
        raise Refused("unavailable", "mail.parser_died", "the mail could not be read; it is tried again")

    async def close(self) -> None:
        """Ends the process and waits for it."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)
