"""A container's output, cut into lines as Docker's log drivers cut it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE_BYTES = 16 * 1024  # Docker cuts longer lines of output into pieces of this size.


class OutputLines:
    """Takes output as it comes, gives whole lines."""

    def __init__(self) -> None:
        self._unfinished = b""

    def feed(self, content: bytes) -> Iterator[str]:
        """Each line that is whole now, or too long to wait for its end."""
        *lines, rest = (self._unfinished + content).split(b"\n")
        while len(rest) > LONGEST_LINE_BYTES:
            lines.append(rest[:LONGEST_LINE_BYTES])
            rest = rest[LONGEST_LINE_BYTES:]
        self._unfinished = rest
        for line in lines:
            yield from _pieces(line)

    def end(self) -> Iterator[str]:
        """The last line, if it had no end."""
        if self._unfinished:
            yield from _pieces(self._unfinished)


def _pieces(line: bytes) -> Iterator[str]:
    text = line.decode(errors="replace").rstrip("\r")
    for start in range(0, len(text) or 1, LONGEST_LINE_BYTES):
        yield text[start : start + LONGEST_LINE_BYTES]
