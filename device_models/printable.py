"""Text of files as terminals and pages may show it: nothing in it moves a cursor or a direction."""

import re

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and line feed
    "\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069"  # line breaks and directions
    "\ud800-\udfff\ufeff\ufffe\uffff]"  # what has no encoding, or no place in XML
)


def printable(text: str) -> str:
    """A text with backslash escapes in the place of characters that no terminal or page shows.

    Args:
        text: Anything; lone surrogates stand in it where a file name is no UTF-8.

    Returns:
        The same text where it holds none of them; always encodable, and allowed in HTML and XML.
    """
    if text.isascii() and text.isprintable():
        return text
    return HIDDEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def encoded(text: str) -> bytes:
    """A text as UTF-8; the lone surrogates of a file name that is none are backslash escapes."""
    return text.encode("utf-8", "backslashreplace")
