"""The lab's front door: MiniStack behind it, and in front of it what MiniStack does otherwise than AWS.

- the ECS API, and the tasks' metadata endpoint, are answered by our model of the service scheduler;
- DescribeNetworkInterfaces tells the tasks' interfaces and public addresses;
- a manifest that comes to the registry becomes an event, as do PutImage and BatchDeleteImage;
- a request that changes record sets is told to those who propagate them;
- DescribeImages of a tag that is not there is an error, as ECR's is, and so is a PutImage whose manifest does
  not have the digest that it names;
- GetDownloadUrlForLayer names this registry;
- DeleteStack answers when the stack is gone: SAM CLI looks at once, and then only after 30 seconds;
- GetTemplate names a nested template in the bucket as AWS does: SAM CLI takes no other URL.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from lab.ec2 import network_interfaces
from lab.ecs.api.ecs_api import EcsError
from lab.ecs.live import METADATA_PATH

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence
    from ipaddress import IPv4Network

    from lab.ecs.live import LiveEcs

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Message, Receive, Send], Awaitable[None]]
    # repository, tag ("" for none), digest, media type, action
    OnImage = Callable[[str, str, str, str, str], None]

ECS = b"AmazonEC2ContainerServiceV20141113."
ECR = b"AmazonEC2ContainerRegistry_V20150921."
MANIFEST_PATH = re.compile(r"/v2/(?P<repository>.+)/manifests/(?P<reference>[^/]+)")
DELETE_LOOKS = 400
DELETE_LOOK_SECONDS = 0.1
LARGEST_API_REQUEST = 8 * 1024 * 1024  # bytes
LARGEST_UPLOAD = 1024 * 1024 * 1024  # bytes: a layer of an image, or the code of a function; they pass unread


class RequestTooLargeError(Exception):
    """A request's body is larger than any right one."""


class FrontDoor:
    """An ASGI application around another one."""

    def __init__(
        self,
        inner: Application,
        ecs: LiveEcs,
        on_image: OnImage,
        admitted: Sequence[IPv4Network],
        on_names: Callable[[], None] = lambda: None,
    ) -> None:
        self._inner = inner
        self._on_names = on_names
        self._admitted = admitted
        self._ecs = ecs
        self._on_image = on_image

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or let MiniStack do it."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        if not any(ip_address(scope["client"][0]) in network for network in self._admitted):
            # Linux also answers other machines that send to an address of a bridge of ours.
            await _answer(send, 403, b"text/plain", b"the lab serves this machine and its tasks only")
            return
        try:
            await self._route(scope, _bounded(receive), send)
        except RequestTooLargeError as error:
            await _answer(send, 413, b"text/plain", str(error).encode())

    async def _route(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        target, scope_of_signature = headers.get(b"x-amz-target", b""), headers.get(b"authorization", b"")
        manifest = MANIFEST_PATH.fullmatch(scope["path"]) if scope["method"] == "PUT" else None
        if target.startswith(ECS):
            await self._answer_ecs(target.removeprefix(ECS).decode(), await _body(receive), send)
        elif target.startswith(ECR):
            await self._answer_ecr(target.removeprefix(ECR).decode(), scope, receive, send)
        elif scope["path"].startswith(METADATA_PATH):
            task_id = scope["path"].removeprefix(METADATA_PATH).partition("/")[0]
            metadata = self._ecs.metadata(task_id)
            await _answer(send, 200 if metadata else 404, b"application/json", json.dumps(metadata).encode())
        elif manifest:
            await self._take_manifest(manifest["repository"], manifest["reference"], scope, receive, send)
        elif b"/ec2/aws4_request" in scope_of_signature:
            await self._answer_ec2(scope, receive, send)
        elif b"/cloudformation/aws4_request" in scope_of_signature:
            await self._answer_cloudformation(scope, receive, send)
        elif b"/route53/aws4_request" in scope_of_signature and scope["method"] != "GET":
            await self._inner(scope, receive, send)
            self._on_names()
        else:
            await self._inner(scope, receive, send)

    async def _answer_cloudformation(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if b"Action=GetTemplate&" in body:
            status, headers, content = await self._relay(scope, body, None)
            here = rb"http://" + re.escape(dict(scope["headers"])[b"host"]) + rb"/(?=[\w./-]+\.template)"
            content = re.sub(here, b"https://s3.amazonaws.com/", content)
            await _answer(send, status, headers.get(b"content-type", b"text/xml"), content)
            return
        if b"Action=DeleteStack&" not in body:
            await self._inner(scope, _replay(body), send)
            return
        status, headers, content = await self._relay(scope, body, None)
        ask = body.replace(b"Action=DeleteStack&", b"Action=DescribeStacks&")
        length = (b"content-length", str(len(ask)).encode())
        others = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
        for _ in range(DELETE_LOOKS):  # for less than a client waits for an answer
            found, _, stack = await self._relay({**scope, "headers": [*others, length]}, ask, None)
            if found != 200 or b"DELETE_FAILED" in stack:  # noqa: PLR2004 - OK
                break
            await asyncio.sleep(DELETE_LOOK_SECONDS)
        await _answer(send, status, headers.get(b"content-type", b"text/xml"), content)

    async def _answer_ecs(self, operation: str, body: bytes, send: Send) -> None:
        try:
            status, answer = 200, self._ecs.call(operation, json.loads(body or b"{}"))
        except EcsError as error:
            status, answer = 400, {"__type": error.code, "message": error.message}
        await _answer(send, status, b"application/x-amz-json-1.1", json.dumps(answer).encode())

    async def _take_manifest(
        self, repository: str, reference: str, scope: Message, receive: Receive, send: Send
    ) -> None:
        status, headers, _ = await self._relay(scope, await _body(receive), send)
        if status == 201:  # noqa: PLR2004 - created
            tag = "" if reference.startswith("sha256:") else reference
            media_type = dict(scope["headers"]).get(b"content-type", b"").decode()
            self._on_image(repository, tag, headers[b"docker-content-digest"].decode(), media_type, "PUSH")

    async def _answer_ec2(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        form = dict(parse_qsl(body.decode()))
        if form.get("Action") == "DescribeNetworkInterfaces":
            status, text = network_interfaces.described(self._ecs.interfaces(), form)
            await _answer(send, status, b"text/xml", text.encode())
        else:
            await self._inner(scope, _replay(body), send)

    async def _answer_ecr(self, operation: str, scope: Message, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if operation == "PutImage" and (wrong := _other_digest(json.loads(body))):
            await _answer(send, 400, b"application/x-amz-json-1.1", json.dumps(wrong).encode())
            return
        if operation == "DescribeImages" and json.loads(body).get("imageIds"):
            status, _, content = await self._relay(scope, body, None)
            found = json.loads(content)
            if found.get("imageDetails") == []:
                # API reference, DescribeImages, errors.
                missing = {
                    "__type": "ImageNotFoundException",
                    "message": "The image with imageId does not exist",
                }
                status, content = 400, json.dumps(missing).encode()
            await _answer(send, status, b"application/x-amz-json-1.1", content)
            return
        if operation == "GetDownloadUrlForLayer":
            status, _, content = await self._relay(scope, body, None)
            here = b'"http://' + dict(scope["headers"])[b"host"] + b"/v2/"
            content = re.sub(rb'"https://[^/"]+/v2/', here, content)
            await _answer(send, status, b"application/x-amz-json-1.1", content)
            return
        status, _, content = await self._relay(scope, body, send)
        if status != 200:  # noqa: PLR2004 - OK
            return
        answer = json.loads(content)
        if operation == "PutImage":
            image = answer["image"]
            self._on_image(
                image["repositoryName"],
                image["imageId"].get("imageTag", ""),
                image["imageId"]["imageDigest"],
                image.get("imageManifestMediaType", ""),
                "PUSH",
            )
        elif operation == "BatchDeleteImage":
            for gone in answer.get("imageIds", []):
                repository, tag, digest = (
                    json.loads(body)["repositoryName"],
                    gone.get("imageTag", ""),
                    gone["imageDigest"],
                )
                self._on_image(repository, tag, digest, "", "DELETE")

    async def _relay(
        self, scope: Message, body: bytes, send: Send | None
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """Let MiniStack answer; return status, headers and body of its answer, passed on to `send`."""
        status, headers, content = 0, {}, b""

        async def listen(message: Message) -> None:
            nonlocal status, headers, content
            if message["type"] == "http.response.start":
                status, headers = message["status"], {k.lower(): v for k, v in message["headers"]}
            elif message["type"] == "http.response.body":
                content += message.get("body", b"")
            if send:
                await send(message)

        await self._inner(scope, _replay(body), listen)
        return status, headers, content


def _other_digest(request: dict[str, str]) -> dict[str, str] | None:
    """Return ECR's error where the manifest has another digest (API reference, PutImage, errors)."""
    digest = f"sha256:{hashlib.sha256(request['imageManifest'].encode()).hexdigest()}"
    if request.get("imageDigest") in (None, digest):
        return None
    message = "The specified image digest does not match the digest that Amazon ECR calculated for the image."
    return {"__type": "ImageDigestDoesNotMatchException", "message": message}


async def _body(receive: Receive) -> bytes:
    """Return a request's whole body.

    Raises:
        RequestTooLargeError: it is larger than any request to an API is.
    """
    content = b""
    while True:
        message = await receive()
        content += bytes(message.get("body", b""))
        if len(content) > LARGEST_API_REQUEST:
            raise RequestTooLargeError(f"a request of more than {LARGEST_API_REQUEST} bytes")
        if not message.get("more_body"):
            return content


def _bounded(receive: Receive) -> Receive:
    """The same request, which ends with an error where it gets larger than any upload."""
    left = LARGEST_UPLOAD

    async def count() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise RequestTooLargeError(f"an upload of more than {LARGEST_UPLOAD} bytes")
        return message

    return count


def _replay(body: bytes) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


async def _answer(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
