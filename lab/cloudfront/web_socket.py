"""A visitor's WebSocket through an edge, on a connection to the origin of its own."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)

from lab.cloudfront.origin import OriginError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    import httpcore

    from lab.cloudfront.distribution import Distribution
    from lab.cloudfront.origin import Origins

    Asgi = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Asgi]]
    Send = Callable[[Asgi], Awaitable[None]]

READ_BYTES = 65536
GOING_AWAY = 1001
# What the handshake to the origin says anew.
HANDSHAKE = frozenset({b"connection", b"upgrade", b"host"})


async def pass_web_socket(
    origins: Origins, found: Distribution | None, scope: Asgi, receive: Receive, send: Send
) -> None:
    """Connect a visitor with the origin, until one of them ends it."""
    await receive()  # websocket.connect
    stream = None
    if found is not None:
        with suppress(OriginError):
            stream = await origins.connect(found)
    if found is None or stream is None:
        await send({"type": "websocket.close", "code": GOING_AWAY})
        return
    try:
        await _Passage(stream, receive, send).run(_handshake(found, scope))
    finally:
        await stream.aclose()


def _handshake(found: Distribution, scope: Asgi) -> Request:
    given = dict(scope["headers"])
    host = given.get(b"host", b"") if found.sends_host else found.origin_name.encode()
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    extra = [
        (name, value)
        for name, value in scope["headers"]
        if name not in HANDSHAKE and not name.startswith((b"sec-websocket-", b":"))
    ]
    own = [(name.encode(), value.encode()) for name, value in found.origin_headers]
    return Request(
        host=host.decode("latin-1"),
        target=target.decode("latin-1"),
        subprotocols=scope["subprotocols"],
        extra_headers=[*extra, *own],
    )


class _Passage:
    """Messages in both directions."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, receive: Receive, send: Send) -> None:
        self._stream, self._receive, self._send = stream, receive, send
        self._origin = WSConnection(ConnectionType.CLIENT)
        self._accepted = asyncio.Event()
        self._parts: list[Any] = []  # of a message that has not come to its end

    async def run(self, handshake: Request) -> None:
        await self._stream.write(self._origin.send(handshake))
        directions = {asyncio.ensure_future(self._to_visitor()), asyncio.ensure_future(self._to_origin())}
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in directions:
                each.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _to_visitor(self) -> None:
        while True:
            data = await self._stream.read(READ_BYTES)
            self._origin.receive_data(data or None)
            for event in self._origin.events():
                if not await self._tell(event):
                    return
            if not data:
                return

    async def _tell(self, event: Any) -> bool:  # noqa: ANN401 - one of wsproto's many
        """Pass on what the origin says; return whether more may come."""
        match event:
            case AcceptConnection():
                await self._send({"type": "websocket.accept", "subprotocol": event.subprotocol})
                self._accepted.set()
            case TextMessage() | BytesMessage():
                self._parts.append(event.data)
                if event.message_finished:
                    kind, nothing = ("text", "") if isinstance(event, TextMessage) else ("bytes", b"")
                    await self._send({"type": "websocket.send", kind: nothing.join(self._parts)})
                    self._parts.clear()
            case Ping():
                await self._stream.write(self._origin.send(event.response()))
            case RejectConnection():
                await self._send({"type": "websocket.close", "code": GOING_AWAY})
                return False
            case CloseConnection():
                await self._send({"type": "websocket.close", "code": event.code or GOING_AWAY})
                return False
        return True

    async def _to_origin(self) -> None:
        await self._accepted.wait()
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                await self._stream.write(self._origin.send(CloseConnection(message.get("code") or 1000)))
                return
            text = message.get("text")
            said = BytesMessage(message["bytes"]) if text is None else TextMessage(text)
            await self._stream.write(self._origin.send(said))
