"""Bytes of a mail as text, whatever they claim to be. Nothing here raises."""

from __future__ import annotations

import codecs
import re
from email.header import decode_header

MAX_HEADER = 8 * 1024
"""Characters of one header that are looked at."""

_ALIASES = {
    "ansi_x3.110-1983": "cp1252",
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",  # as browsers read it: the C1 controls are never meant
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "iso8859-1": "cp1252",
    "iso-8859-8-i": "iso8859-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "tis-620": "cp874",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "unicode-1-1-utf-7": "utf-7",
    "utf8mb4": "utf-8",
    "x-unknown": "utf-8",
    "unknown-8bit": "utf-8",
}
_REAL = re.compile(
    r"^(utf-?(7|8|16|32)([-_]?(le|be|sig))?|(iso)?-?8859-\d+|iso2022.*|cp\d+|windows-?\d+|koi8[-_][rut]"
    r"|mac[-_]\w+|gb18030|big5(hkscs)?|euc[-_]\w+|johab|hz|kz1048|ptcp154|tis[-_]620|shift[-_]jis\w*)$"
)
"""Codecs that decode text in linear time. Others that Python knows (punycode, zip, rot13) are not charsets."""


def decoded(content: bytes, charset: str | None) -> str:
    """The text: by its charset where that fits, else UTF-8, else Windows-1252."""
    declared = _codec(charset)
    for name in (declared, "utf-8"):
        if name is not None:
            try:
                return _tidy(content.decode(name))
            except (UnicodeError, LookupError):
                continue
    text = content.decode(declared or "utf-8", "replace")
    broken = text.count("\ufffd")
    if broken > sum(1 for c in text if c > "\x7f") - broken:  # more damage than sense: it is something else
        text = content.decode("cp1252", "replace")
    return _tidy(text)


def _codec(charset: str | None) -> str | None:
    if not charset:
        return None
    name = charset.strip().strip("\"'").lower()[:40]
    name = _ALIASES.get(name, name)
    try:
        canonical = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return canonical if _REAL.match(canonical) else None


def _tidy(text: str) -> str:
    """No NUL, no byte order mark, one kind of line end, no half characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").replace("\ufeff", "")
    return text.encode("utf-8", "replace").decode()


def header_text(raw: str) -> str:
    """A header's value as one line: RFC 2047 words decoded, raw 8-bit bytes guessed, controls gone."""
    raw = raw[:MAX_HEADER]
    if not raw.isascii():  # the parser keeps unknown bytes as surrogates
        raw = decoded(raw.encode("ascii", "surrogateescape") if _escaped(raw) else raw.encode(), None)
    if "=?" in raw:
        raw = _encoded_words(raw)
    return " ".join("".join(c if c.isprintable() else " " for c in raw).split())


def _escaped(raw: str) -> bool:
    return all(c < "\x80" or "\udc80" <= c <= "\udcff" for c in raw)


def _encoded_words(raw: str) -> str:
    try:
        pieces = decode_header(raw)
    except Exception:  # noqa: BLE001 (binascii, LookupError, ValueError: damaged words stay as they are)
        return raw
    return "".join(p if isinstance(p, str) else decoded(p, charset) for p, charset in pieces)
