"""Texts of strangers before people's eyes: what cannot be seen is shown by its code.

A name may hold signs that turn the letters around it, stand between two letters unseen, or speak to a terminal instead
of its reader; what was signed keeps them, and whoever reads it sees that they are there.
"""

from __future__ import annotations

import re

# Controls but line and tab, the soft hyphen, and what Unicode calls format characters, separators of lines and tags;
# and half a surrogate pair, which is no sign at all.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The text with `[U+202E]` for what cannot be seen."""
    return _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def one_line(text: str, length_max: int) -> str:
    """The text without ends of lines and what cannot be seen, nor space at its ends; at most so many characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:length_max].rstrip()
