"""One request over HTTP/1.1, and what became of it. On h11: it reads and writes the protocol, and no more.

Not aiohttp, httpx or urllib3: aiohttp sends a request again where a kept-alive connection ended under it, and
has no public switch for that, and what the others do between a name and a socket is theirs to change. Here
nothing happens that is not written here.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import h11

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LARGEST_READ_BYTES = 65536
OK = 200
POSTED = b"{}"
VERSION = re.compile(r"version ([^\s,]+)")

# What became of a request that failed, in words.
REFUSED = "refused"
RESET = "reset"
CUT_OFF = "closed without a whole answer"
TIMED_OUT = "timed out"
NO_ADDRESS = "no address"
UNREACHABLE = "unreachable"
NO_HTTP = "no HTTP"


class NoAddressError(Exception):
    """The name has no address, or the name server gives no answer."""


class CutOffError(Exception):
    """The server closed the connection before its answer was whole."""


class StatusError(Exception):
    """The server answered, and not with 200; the text is the status."""


# The first that fits: the special ones stand before OSError, which most of them are.
FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (NoAddressError, NO_ADDRESS),
    (CutOffError, CUT_OFF),
    (TimeoutError, TIMED_OUT),
    (ConnectionRefusedError, REFUSED),
    (ConnectionResetError, RESET),
    (BrokenPipeError, RESET),
    (OSError, UNREACHABLE),
    (h11.RemoteProtocolError, NO_HTTP),
)


@lru_cache(maxsize=1)
def _context(authority: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)


def failure(error: Exception) -> str:
    """Return the kind of failure that an error means.

    Raises:
        Exception: `error` itself, which is none of a server's or network's doing.
    """
    if isinstance(error, StatusError):
        return f"HTTP {error}"
    for kind, words in FAILURES:
        if isinstance(error, kind):
            return words
    raise error


def version_of(body: bytes) -> str:
    """Return the version that a page says, or nothing."""
    found = VERSION.search(body.decode(errors="replace"))
    return found.group(1) if found else ""


class Connection:
    """A connection to one address, for one request at a time."""

    def __init__(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.address = address
        self.used = False
        """Whether it has carried a whole answer."""
        self.heard = False
        """Whether anything came in answer to the last request."""
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    @classmethod
    async def open(cls, address: str, port: int, name: str, authority: str) -> Connection:
        """Return a new connection; by TLS where `authority` is a file of trusted certificates.

        Raises:
            OSError: nobody accepts it.
        """
        if not authority:
            return cls(address, *await asyncio.open_connection(address, port))
        secure = await asyncio.open_connection(address, port, ssl=_context(authority), server_hostname=name)
        return cls(address, *secure)

    async def ask(self, host: str, *, keep: bool, post: bool = False) -> bytes:
        """Return the body of `/`, by GET or POST; `keep` asks the server to leave the connection open.

        Raises:
            StatusError: the answer is not 200.
            CutOffError, OSError, h11.RemoteProtocolError: there was no whole answer.
        """
        self.heard = False
        headers = [("Host", host), ("User-Agent", "pushlive-load"), ("Accept", "text/plain")]
        headers += [] if keep else [("Connection", "close")]
        headers += [("Content-Length", str(len(POSTED)))] if post else []
        request = h11.Request(method="POST" if post else "GET", target="/", headers=headers)
        sent = self._http.send(request) or b""
        sent += (self._http.send(h11.Data(POSTED)) or b"") if post else b""
        self._writer.write(sent)
        self._http.send(h11.EndOfMessage())
        await self._writer.drain()
        status, body = 0, b""
        async for event in self._events():
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
        self.used = True
        if status != OK:
            raise StatusError(str(status))
        return body

    async def _events(self) -> AsyncIterator[h11.Event]:
        """Each event of an answer, up to its end."""
        ended = False
        event: Any = None
        while not isinstance(event, h11.EndOfMessage):
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                if ended:
                    raise CutOffError from error
                raise
            if event is h11.NEED_DATA:
                content = await self._reader.read(LARGEST_READ_BYTES)
                ended = not content  # also the end of an answer without a length
                self.heard = self.heard or not ended
                self._http.receive_data(content)
            elif isinstance(event, h11.ConnectionClosed):
                raise CutOffError
            else:
                yield event

    def reusable(self) -> bool:
        """Whether another request may be sent, as far as anybody here knows.

        The server may have closed it while it was idle; where that was noticed, it is not reusable.
        """
        if self._reader.at_eof() or self._reader.exception() or self._writer.is_closing():
            return False
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return self._http.our_state is h11.IDLE

    def close(self) -> None:
        """Close it, without waiting for the other side."""
        self._writer.close()
