"""The bench's parts do what its figures say. Times are nowhere asserted."""

from __future__ import annotations

import http.client
import io
import json
import logging
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import redeploy_service.app
from botocore.httpsession import DEFAULT_CA_BUNDLE
from rich.console import Console

from trials.bench import cold_start, growth, packages, pushes
from trials.bench.exchanges import key_of, recorded, service_of
from trials.bench.silence import silence
from trials.bench.stub import stub
from trials.bench.table import drawn
from trials.bench.throttling import Bucket

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNED = "AWS4-HMAC-SHA256 Credential=key/20261126/us-east-1/{service}/aws4_request, Signature=x"


@contextmanager
def echo() -> Iterator[str]:
    """A server that answers with a number of its own each time."""
    numbers: list[int] = []

    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            numbers.append(len(numbers) + 1)
            body = json.dumps({"number": numbers[-1]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def ask(url: str, service: str, target: str, certificates: Path | None = None) -> Any:
    place = urlsplit(url).netloc
    connection = (
        http.client.HTTPSConnection(
            place, timeout=10, context=ssl.create_default_context(cafile=certificates)
        )
        if certificates
        else http.client.HTTPConnection(place, timeout=10)
    )
    headers = {"Authorization": SIGNED.format(service=service), "X-Amz-Target": target}
    connection.request("POST", "/", b"{}", headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def test_what_was_recorded_is_answered_again_in_its_order(tmp_path: Path) -> None:
    with echo() as url, recorded(url) as recording:
        first = [ask(recording.url, "ecs", target) for target in ("A", "B", "A")]
    assert first == [{"number": 1}, {"number": 2}, {"number": 3}]
    with stub(recording, tmp_path) as answering:
        for _ in range(2):
            asked = [ask(answering.url, "ecs", each, answering.certificates) for each in ("B", "A", "A")]
            assert asked == [
                {"number": 2},
                {"number": 1},
                {"number": 3},
            ]
            assert answering.again() == ["ecs B", "ecs A", "ecs A"]
        with pytest.raises(ssl.SSLCertVerificationError):  # no other bundle knows it
            ask(answering.url, "ecs", "A", Path(DEFAULT_CA_BUNDLE))


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "key"),
    [
        ("POST", "/", {"x-amz-target": "Ecs.ListTasks"}, "{}", "Ecs.ListTasks"),
        ("POST", "/", {"content-type": "application/x-www-form-urlencoded"}, "Action=A&X=1", "A"),
        ("GET", "/2013-04-01/hostedzone/Z1", {}, "", "GET /2013-04-01/hostedzone/Z1"),
    ],
    ids=["json", "query", "rest"],
)
def test_an_operation_is_known_by_what_the_service_reads(
    method: str, path: str, headers: dict[str, str], body: str, key: str
) -> None:
    assert key_of(method, path, headers, body) == key
    assert service_of(SIGNED.format(service="ec2")) == "ec2"


def test_a_bucket_admits_its_burst_and_then_what_comes_back() -> None:
    bucket = Bucket(burst=2, sustained=1)
    assert [bucket.admits(at) for at in (0, 0, 0, 0.5, 1.5, 10, 10, 10)] == [
        *(True, True, False, False),
        *(True, True, True, False),
    ]


@pytest.fixture(scope="module")
def costs() -> dict[tuple[int, str], dict[str, Any]]:
    """Cluster's size and event to what it costs."""
    clusters = growth.growth([(1, 1), (10, 1), (30, 2)], lambda _: None)["clusters"]
    assert [each["deployed"] for each in clusters] == [1, 1, 2]
    return {(each["services"], event): its for each in clusters for event, its in each["events"].items()}


@pytest.mark.parametrize(("services", "concerned"), [(10, 1), (30, 2)])
def test_what_a_push_reads_grows_with_the_pages_of_the_lists_only(
    costs: Any, services: int, concerned: int
) -> None:
    a_service = costs[1, "push"]["reading_calls"] - 2  # less one page of services, and one of their states
    pages, prefilter = 1 + services // 10, 2
    assert costs[services, "push"]["reading_calls"] <= pages + prefilter + concerned * a_service


def test_looking_at_each_service_by_itself_costs_more(costs: Any) -> None:
    many = costs[30, "push"]
    assert costs[30, "push, each service looked at by itself"]["reading_calls"] > many["reading_calls"] + 20


def test_nothing_is_throttled_and_what_is_none_of_ours_costs_one_call(costs: Any) -> None:
    assert {its["throttled"] for its in costs.values()} == {0}
    assert costs[30, "task of a service without a host name"]["reading_calls"] == 1
    assert costs[30, "schedule, RedeployService"]["reading_calls"] == 1 + 3 + 2 + 1


def test_ratios_are_medians_within_a_round() -> None:
    ours, plain = cold_start.Sample([1, 2, 9], [10, 10, 10]), cold_start.Sample([2, 8, 9], [20, 20, 40])
    found = cold_start.figures({"pushlive": ours, "plain": plain})
    assert found["time_ratio_to"] == {"plain": 0.5}
    assert found["memory_ratio_to"] == {"plain": 0.5}
    assert found["milliseconds"] == {"pushlive": 2, "plain": 8}


def test_ways_are_compared_within_a_round() -> None:
    taken = {
        way: [10.0 * factor, 20.0 * factor, 90.0]
        for way, factor in zip(pushes.WAYS, (1, 2, 4, 8), strict=True)
    }
    found = pushes.figures(taken)
    assert found["time_ratio"]["pushlive, warm to aws ecs update-service"] == 0.25
    assert found["time_ratio"]["pushlive, cold to ecs-deploy"] == 0.25
    assert found["processes_started"]["pushlive, cold"] == 0


def test_what_functions_say_while_they_are_measured_is_not_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nor by a handler of all loggers, which MiniStack leaves behind."""
    seen = io.StringIO()
    root, handler = logging.getLogger(), logging.StreamHandler(seen)
    root.addHandler(handler)
    try:
        with silence():
            redeploy_service.app.logger.error("measured")
        redeploy_service.app.logger.error("afterwards")
    finally:
        root.removeHandler(handler)
    assert "measured" not in seen.getvalue() + "".join(capsys.readouterr())
    assert "afterwards" in seen.getvalue()


def test_a_command_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECS_DEPLOY", "/nowhere/ecs")
    with pytest.raises(FileNotFoundError, match="/nowhere/ecs is not there: `make bench` installs it"):
        pushes.executable("ECS_DEPLOY", ".venv-ecs-deploy/bin/ecs")


def test_a_package_is_as_large_as_its_archive(tmp_path: Path) -> None:
    for name in ("PushliveLayer", "RedeployService", "UpdateRecord"):
        (tmp_path / "built" / "Pushlive" / name).mkdir(parents=True)
        (tmp_path / "built" / "Pushlive" / name / "app.py").write_bytes(bytes(1_000_000))
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "app.py").write_bytes(bytes(4_000_000))
    found = packages.packages(tmp_path / "built", tmp_path / "plain", tmp_path)
    assert found["unpacked_mb"] == {"layer": 1, "RedeployService": 1, "UpdateRecord": 1, "plain": 4}
    assert found["zipped_mb"]["plain"] < 0.1


def test_the_tables_show_each_part() -> None:
    recorded_ = json.loads(
        (cold_start.ROOT / "trials" / "bench" / "benchmarks.json").read_text(encoding="utf-8")
    )
    taken = {way: [10.0, 20.0] for way in pushes.WAYS}
    recorded_ |= {"pushes": {"rounds": 2, **pushes.figures(taken), "aws_calls": {"ecs-deploy": 5}}}
    console = Console(file=io.StringIO(), width=80)
    for table in drawn(recorded_):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for words in ("Cold start", "Packages", "From a push", "as a cluster grows"):
        assert words in shown
    for last_column in ("its, MiB", "AWS calls", "seconds"):
        assert last_column in shown, "a terminal of 80 columns shows the whole table"
    assert "…" not in shown
