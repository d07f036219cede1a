"""HTML of strangers: made harmless, and as text.

Scripts, forms, frames and styles that reach outside are gone. Remote images are not loaded: their address
moves to `data-remote`, so that a reader may ask for them. Images of the mail itself keep "cid:".
"""

from __future__ import annotations

import html
import re

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_HTML = 1024 * 1024
"""Characters of HTML that are kept; what is longer is read as text only."""
MAX_DEPTH = 256
"""Nested elements; both parsers take quadratic time on deeper ones."""

TAGS = {
    *(
        "a",
        "abbr",
        "address",
        "article",
        "b",
        "bdi",
        "bdo",
        "big",
        "blockquote",
        "br",
        "caption",
        "center",
        "cite",
    ),
    *("code", "col", "colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "font"),
    *(
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "main",
        "mark",
    ),
    *(
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "section",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "table",
    ),
    *("tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var", "wbr"),
}
_SIZES = {"align", "bgcolor", "colspan", "rowspan", "valign", "width", "height"}
ATTRIBUTES = {
    "*": {"dir", "lang", "title", "style"},
    "a": {"href", "name"},
    "img": {"src", "alt", "width", "height", "data-remote"},
    "font": {"color", "face", "size"},
    "table": _SIZES | {"border", "cellpadding", "cellspacing"},
    "td": _SIZES,
    "th": _SIZES,
    "tr": _SIZES,
    "ol": {"start", "type"},
    "li": {"value"},
}
STYLES = {
    *(
        "color",
        "background-color",
        "font-weight",
        "font-style",
        "font-size",
        "font-family",
        "text-decoration",
    ),
    *("text-align", "vertical-align", "white-space", "border", "border-left", "border-collapse", "padding"),
    *("padding-left", "margin", "margin-left", "line-height"),
}
_PICTURE = re.compile(r"^data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+$")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
_UNNESTED = {
    *("br", "img", "hr", "input", "meta", "link", "col", "area", "base", "wbr", "source", "embed", "param"),
    *("p", "tr", "td", "th", "option", "dt", "dd"),
}
_BLOCKS = {
    *(
        "address",
        "article",
        "blockquote",
        "center",
        "dd",
        "div",
        "dl",
        "dt",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
    ),
    *("h4", "h5", "h6", "header", "hr", "li", "main", "ol", "p", "pre", "section", "table", "tr", "ul"),
}
_UNSEEN = {"script", "style", "head", "title", "template", "noscript", "object", "iframe", "svg", "math"}


def safe_html(dirty: str) -> str:
    """Harmless HTML, or "" when it is too large or too deep to be shown."""
    if len(dirty) > MAX_HTML or _depth(dirty) > MAX_DEPTH:
        return ""
    tree = LexborHTMLParser(dirty)
    for image in tree.css("img[src]"):
        source = (image.attributes.get("src") or "").strip()
        if source.lower().startswith(("http:", "https:", "//")):
            image.attrs["data-remote"] = source
            del image.attrs["src"]
    body = tree.body
    return nh3.clean(
        (body.html or "") if body is not None else "",
        tags=TAGS,
        clean_content_tags={
            "script",
            "style",
            "title",
            "iframe",
            "object",
            "template",
            "noscript",
            "textarea",
        },
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        filter_style_properties=STYLES,
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    ).strip()


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "href":
        return None if value.strip().lower().startswith(("data:", "cid:")) else value
    if name == "src":
        return value if value.lower().startswith("cid:") or _PICTURE.match(value) else None
    if name == "style" and ("url(" in value.lower() or "\\" in value):
        return None
    return value


def text_of(source: str) -> str:
    """What a reader would see, as plain text: paragraphs, list marks, links with their address, quotes with ">"."""
    source = source[:MAX_HTML]
    if _depth(source) > MAX_DEPTH:
        return html.unescape(re.sub(r"<[^<>]{0,2000}>", " ", source)).strip()
    body = LexborHTMLParser(source).body
    writer = _Writer()
    if body is not None:
        _walk(body, writer)
    return writer.text()


class _Writer:
    """Collects lines: white space collapses, blocks stand on lines of their own."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self.quotes = 0
        self.verbatim = 0

    def add(self, text: str) -> None:
        if self.verbatim:
            head, *rest = text.split("\n")
            self._line.append(head)
            for line in rest:
                self.end(force=True)
                self._line.append(line)
            return
        words = re.sub(r"[ \t\r\n\f]+", " ", text)
        if not self._line or self._line[-1].endswith(" "):
            words = words.lstrip()
        if words:
            self._line.append(words)

    def end(self, *, force: bool = False) -> None:
        """Ends the line, when there is one."""
        line = "".join(self._line)
        if line.strip() or force:
            self._lines.append(("> " * self.quotes + line).rstrip())
        self._line.clear()

    def gap(self) -> None:
        """An empty line, unless there is one."""
        self.end()
        if self._lines and self._lines[-1].strip("> "):
            self._lines.append(("> " * self.quotes).rstrip())

    def text(self) -> str:
        self.end()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self._lines)).strip()


def _walk(root: LexborNode, out: _Writer) -> None:
    """Every node in order, without recursion."""
    node: LexborNode | None = root
    while node is not None:
        inside = _enter(node, out)
        if inside and node.first_child is not None:
            node = node.first_child
            continue
        while node is not None:
            if inside:
                _leave(node, out)
            inside = True
            if node.mem_id == root.mem_id:
                return
            if node.next is not None:
                node = node.next
                break
            node = node.parent


def _enter(node: LexborNode, out: _Writer) -> bool:
    """Writes what stands at the beginning; False: what is inside is not read."""
    tag = node.tag or ""
    if tag == "-text":
        out.add(node.text_content or "")
        return False
    if tag in _UNSEEN or tag.startswith(("-", "!")):
        return False
    if tag == "br":
        out.end(force=True)
        return False
    if tag in _BLOCKS:
        out.gap() if tag in ("p", "h1", "h2", "h3", "blockquote", "table", "ul", "ol") else out.end()
    if tag == "blockquote":
        out.quotes += 1
    elif tag == "pre":
        out.verbatim += 1
    elif tag == "li":
        out.add("- ")
    elif tag == "img":
        out.add(node.attributes.get("alt") or "")
    return True


def _leave(node: LexborNode, out: _Writer) -> None:
    tag = node.tag or ""
    if tag == "a":
        target = (node.attributes.get("href") or "").strip()
        if target.startswith(("http:", "https:")) and target not in (node.text() or ""):
            out.add(f" <{target[:1000]}>")
    elif tag in ("td", "th"):
        out.add(" ")
    if tag in _BLOCKS:
        out.end()
    if tag == "blockquote":
        out.quotes -= 1
        out.gap()
    elif tag == "pre":
        out.verbatim -= 1
    elif tag in ("p", "h1", "h2", "h3", "ul", "ol", "table"):
        out.gap()


def _depth(source: str) -> int:
    """How deep elements nest at most, counted without parsing; never less than what a parser would find by much."""
    depth = deepest = 0
    for match in _TAG.finditer(source):
        if match[2].lower() in _UNNESTED:
            continue
        depth += -1 if match[1] else 1
        depth = max(depth, 0)
        deepest = max(deepest, depth)
    return deepest
