"""Where a reply ends and the mail it answers begins.

Line by line and in linear time. When in doubt everything is kept as new words: hiding what somebody wrote is
worse than showing a quote.
"""

from __future__ import annotations

import re

MAX_LINE = 400
"""Characters of a line that are looked at."""

_WROTE = re.compile(
    r"(a écrit|wrote|schrieb\b.*|escribió|ha scritto|schreef\b.*|escreveu)\s*:\s*$"
    r"|^(am|op) .*(schrieb|schreef)\b.*:\s*$",
    re.IGNORECASE,
)
_WHEN = re.compile(r"^(>\s*)?(le|on|am|el|il|op|em)\b.*\d", re.IGNORECASE)
_RULE = re.compile(
    r"^-{2,}\s*(message d'origine|message d’origine|message original|message transféré|original message"
    r"|forwarded message|ursprüngliche nachricht|mensaje original|messaggio originale|oorspronkelijk bericht"
    r"|mensagem original|reply above this line)\s*-{2,}$",
    re.IGNORECASE,
)
_FROM = re.compile(r"^\W{0,3}(de|from|von|da|van)\s?\W{0,3}:\s?\W{0,3}\S", re.IGNORECASE)
_SENT = re.compile(
    r"^\W{0,3}(envoyé|date|sent|gesendet|enviado|inviato|verzonden|enviada|à|to|an|para|a|aan|objet|subject|betreff"
    r"|asunto|oggetto|onderwerp|assunto)( le)?\s?\W{0,3}:",
    re.IGNORECASE,
)
_LINE = re.compile(r"^[_\-=]{10,}$")


def split_reply(text: str) -> tuple[str, str]:
    """(what is new, the quoted mail with the line that introduces it); the second is "" when nothing is quoted."""
    lines = text.split("\n")
    start = _quote_start(lines)
    if start is None:
        return text.strip(), ""
    new, old = "\n".join(lines[:start]).strip(), "\n".join(lines[start:]).strip()
    if not new or _answers_below(lines[start:]):
        return text.strip(), ""
    return new, old


def _quote_start(lines: list[str]) -> int | None:
    last_own = max((i for i, line in enumerate(lines) if not _quoted_or_empty(line)), default=-1)
    for i, whole in enumerate(lines):
        line = whole[:MAX_LINE].strip()
        if not line:
            continue
        if _RULE.match(line):
            return i
        if _FROM.match(line) and _is_header_block(lines, i):
            return i - 1 if i and _LINE.match(lines[i - 1].strip()) else i
        if _introduces(lines, i):
            return i
        if line.startswith(">") and i > last_own:
            return i
    return None


def _introduces(lines: list[str], i: int) -> bool:
    """ "Le 3 mai, X a écrit :", also wrapped over up to three lines."""
    if not _WHEN.match(lines[i][:MAX_LINE].strip()):
        return False
    joined = ""
    for line in lines[i : i + 3]:
        joined = f"{joined} {line[:MAX_LINE].strip().lstrip('> ')}".strip()
        if _WROTE.search(joined):
            return True
        if not line.strip():
            return False
    return False


def _is_header_block(lines: list[str], i: int) -> bool:
    """Outlook's "De : ... Envoyé : ... À : ...": at least two more header lines follow."""
    following = [line[:MAX_LINE].strip() for line in lines[i + 1 : i + 6]]
    return sum(1 for line in following if _SENT.match(line)) >= 2


def _quoted_or_empty(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith(">")


def _answers_below(lines: list[str]) -> bool:
    """Whether somebody wrote between or under the quoted lines (where they are marked by ">")."""
    marked = [i for i, line in enumerate(lines) if line.lstrip().startswith(">")]
    if not marked:
        return False
    own = [line.strip() for line in lines[marked[0] :] if not _quoted_or_empty(line)]
    return bool(own) and own[0] != "--"
