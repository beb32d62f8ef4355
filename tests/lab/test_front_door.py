"""The lab's front door refuses what is too large, and whoever is not on this machine."""

from __future__ import annotations

import asyncio
import hashlib
import json
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from lab import front_door as edge
from lab.front_door import FrontDoor

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    Message = MutableMapping[str, Any]

CHUNK = bytes(1024)
ECS_CALL = [(b"x-amz-target", edge.ECS + b"ListClusters")]
ECR_CALL = [(b"x-amz-target", edge.ECR + b"DescribeImages")]
CLOUDFORMATION_CALL = [(b"authorization", b"x/cloudformation/aws4_request")]


async def reads_all(scope: Message, receive: Any, send: Any) -> None:  # noqa: ARG001 - an ASGI application
    """What stands behind the edge."""
    while (await receive()).get("more_body"):
        pass
    await edge._answer(send, 200, b"text/plain", b"taken")


@pytest.mark.parametrize(
    ("digest", "status"),
    [
        pytest.param(f"sha256:{hashlib.sha256(b'{}').hexdigest()}", 200, id="its-own"),
        pytest.param(f"sha256:{hashlib.sha256(b'{} ').hexdigest()}", 400, id="another"),
        pytest.param(None, 200, id="none"),
    ],
)
def test_an_image_is_put_under_its_own_digest_only(digest: str | None, status: int) -> None:
    request = {"repositoryName": "web", "imageManifest": "{}", "imageDigest": digest}
    content = json.dumps({key: value for key, value in request.items() if value}).encode()
    put: list[str] = []
    nothing: Any = None
    answer = {"image": {"repositoryName": "web", "imageId": {"imageDigest": "sha256:1"}}}

    async def behind(scope: Message, receive: Any, send: Any) -> None:  # noqa: ARG001 - an ASGI application
        await edge._answer(send, 200, b"application/json", json.dumps(answer).encode())

    door = FrontDoor(behind, nothing, lambda *what: put.append(what[0]), [IPv4Network("127.0.0.0/8")])
    headers = [(b"x-amz-target", edge.ECR + b"PutImage")]
    scope = {"type": "http", "method": "POST", "path": "/", "client": ("127.0.0.1", 1), "headers": headers}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": content}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(door(scope, receive, send))
    assert (sent[0]["status"], put) == (status, ["web"] if status == 200 else [])


def ask(chunks: int, *, headers: list[Any] = [], path: str = "/", client: str = "127.0.0.1") -> int:  # noqa: B006 - not changed
    """The status of the answer to a request of so many chunks."""
    nothing: Any = None
    door = FrontDoor(reads_all, nothing, nothing, [IPv4Network("127.0.0.0/8")])
    scope = {"type": "http", "method": "POST", "path": path, "client": (client, 1), "headers": headers}
    sent: list[Message] = []
    left = chunks

    async def receive() -> Message:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": CHUNK, "more_body": left > 0}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(door(scope, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "headers", [ECS_CALL, ECR_CALL, CLOUDFORMATION_CALL], ids=["ecs", "ecr", "cloudformation"]
)
def test_a_call_larger_than_any_api_takes_is_refused(
    headers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "LARGEST_API_REQUEST", 3 * len(CHUNK))
    assert ask(4, headers=headers) == 413


def test_an_upload_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "LARGEST_UPLOAD", 3 * len(CHUNK))
    assert ask(3, path="/v2/web/blobs/uploads/1") == 200
    assert ask(4, path="/v2/web/blobs/uploads/1") == 413


def test_an_upload_may_be_larger_than_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "LARGEST_API_REQUEST", len(CHUNK))
    assert ask(8, path="/bucket/code.zip") == 200


def test_another_machine_is_refused() -> None:
    assert ask(1, client="192.0.2.1") == 403


def test_a_nested_template_has_the_url_that_sam_cli_takes() -> None:
    nothing: Any = None

    async def behind(scope: Message, receive: Any, send: Any) -> None:  # noqa: ARG001 - an ASGI application
        await edge._answer(send, 200, b"text/xml", b"&quot;http://127.0.0.1:4566/bucket/a/b.template&quot;")

    door = FrontDoor(behind, nothing, nothing, [IPv4Network("127.0.0.0/8")])
    headers = [*CLOUDFORMATION_CALL, (b"host", b"127.0.0.1:4566")]
    scope = {"type": "http", "method": "POST", "path": "/", "client": ("127.0.0.1", 1), "headers": headers}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"Action=GetTemplate&StackName=a"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(door(scope, receive, send))
    assert sent[-1]["body"] == b"&quot;https://s3.amazonaws.com/bucket/a/b.template&quot;"
