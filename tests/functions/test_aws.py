"""The clients of the functions, against a server that speaks TLS."""

from __future__ import annotations

import json
import ssl
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
import trustme
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import SSLError
from botocore.httpsession import get_cert_path
from moto.core.botocore_stubber import MockRawResponse

from layer_build.aws_calls import modules_of, services_of
from pushlive import aws
from tests.template.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYER = ROOT / "layers" / "pushlive" / "pushlive"
SERVICES = sorted(services_of(modules_of(LAYER).values()))


ONCE = aws.CONFIG.merge(Config(retries={"max_attempts": 0}))


class Answers(BaseHTTPRequestHandler):
    """Answers each request with nothing, and closes the connection."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


@pytest.fixture
def endpoint(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that clients know as AWS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server, ExitStack() as stack:
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # clients that break off
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "made-up")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{server.server_port}")
        yield f"https://127.0.0.1:{server.server_port}"


@pytest.fixture(autouse=True)
def new_clients() -> Iterator[None]:
    caches = (aws.client, aws._session, aws._checking_by)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of certificates, each time that one is read."""
    found: list[str] = []

    class Context(ssl.SSLContext):
        def load_verify_locations(self, cafile: Any = None, *others: Any) -> None:
            found.append(cafile)
            super().load_verify_locations(cafile, *others)

    monkeypatch.setattr("botocore.httpsession.SSLContext", Context)
    return found


@pytest.mark.usefixtures("endpoint")
def test_whom_to_trust_is_read_once_for_all_clients_and_connections(
    readings: list[str], bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    for _ in range(2):  # the server closes each connection
        assert aws.client("ecs").list_clusters()["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert aws.client("ecr").describe_repositories()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert readings == [str(bundle)]


@pytest.mark.usefixtures("endpoint")
def test_a_server_that_another_authority_vouches_for_is_refused(
    readings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(aws, "CONFIG", ONCE)
    for service, method in (("ecs", "list_clusters"), ("ecr", "describe_repositories")):
        with pytest.raises(SSLError, match="certificate verify failed"):
            getattr(aws.client(service), method)()
    assert readings == [get_cert_path(verify=True)]


def test_a_server_of_another_name_is_refused(
    endpoint: str, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.replace("127.0.0.1", "localhost"))
    monkeypatch.setattr(aws, "CONFIG", ONCE)
    with pytest.raises(SSLError, match="hostname 'localhost'"):
        aws.client("ecs").list_clusters()


@pytest.mark.parametrize(
    ("service", "method", "arguments", "path"),
    [
        ("ecs", "describe_services", {"services": ["app"]}, ("services", "createdAt")),
        ("ecr", "describe_images", {"repositoryName": "app"}, ("imageDetails", "imagePushedAt")),
    ],
    ids=["ecs", "ecr"],
)
def test_times_are_in_utc_in_whatever_zone_the_machine_is(
    service: str,
    method: str,
    arguments: dict[str, Any],
    path: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert time.localtime().tm_gmtoff == 9 * 3600, "tests/conftest.py sets another zone"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    client, (listed, at) = aws.client(service), path
    body = json.dumps({listed: [{at: 1795169403.25}]}).encode()
    answer = AWSResponse("https://aws", 200, HTTPHeaders(), MockRawResponse(body))
    client.meta.events.register("before-send", lambda **_: answer)
    [found] = getattr(client, method)(**arguments)[listed]
    assert found[at].isoformat() == "2026-11-20T10:10:03.250000+00:00"


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_handles_its_events_as_botocore_s_own_does(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for other in SERVICES:  # made before it, they share its session
        if other != service:
            aws.client(other)
    ours = aws.client(service)
    theirs = botocore.session.get_session().create_client(service, config=aws.CONFIG)
    for operation in ours.meta.service_model.operation_names:
        for kind in (
            "provide-client-params", "before-parameter-build", "before-endpoint-resolution", "before-call",
            "request-created", "choose-signer", "before-sign", "before-send", "response-received",
            "before-parse", "after-call", "after-call-error", "needs-retry",
        ):  # fmt: skip
            event = f"{kind}.{ours.meta.service_model.service_id.hyphenize()}.{operation}"
            assert handlers(ours, event) == handlers(theirs, event), event


def handlers(client: Any, event: str) -> list[str]:
    """Names of botocore's own functions that an event is for, in their order."""
    found = client.meta.events._emitter._handlers.prefix_search(event)
    return [each.__qualname__ for each in found if each.__module__.startswith("botocore.")]
