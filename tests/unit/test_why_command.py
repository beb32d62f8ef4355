"""The command `why`: where it looks, how it ends, what it cannot see, how its page and JSON look."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from commands.why import __main__ as command
from commands.why import zone
from commands.why.account import Account, CannotLookError
from commands.why.as_json import as_json
from commands.why.finding import Finding, Level, note, problem
from commands.why.report import Report, ServiceReport, checked, ordered
from commands.why.service import newest_first, parse
from commands.why.state import LoggedDecision, ServiceState, Stack, State
from pushlive.config import Settings
from pushlive.model import Service
from pushlive.redeploy_plan import DeploymentState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 20, 10, 10, tzinfo=UTC)
CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/hello"
ENV = {
    "CLUSTER_ARN": CLUSTER,
    "REGISTRY": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "LEASES_LOG_GROUP": "redeploy-service",
    "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:hello",
}


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine that knows no account, region or stack."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(command, "SAM_CONFIG", tmp_path / "samconfig.toml")
    return monkeypatch


def ended(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that the command ends with."""
    assert command.main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_no_region(nowhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere.setenv("AWS_ACCESS_KEY_ID", "test")
    nowhere.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert ended(capsys) == "why: No region is set: give --region, or set AWS_REGION\n"


def test_no_credentials(nowhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    del nowhere
    assert ended(capsys, "--region", "eu-west-1").startswith(
        "why: There are no AWS credentials: `aws configure`"
    )


def test_aws_is_not_reached(nowhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere.setenv("AWS_ACCESS_KEY_ID", "test")
    nowhere.setenv("AWS_SECRET_ACCESS_KEY", "test")
    nowhere.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    nowhere.setenv("AWS_MAX_ATTEMPTS", "1")
    assert ended(capsys, "--region", "eu-west-1").startswith("why: AWS is not reached: ")


def test_an_unknown_profile(nowhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere.setenv("AWS_PROFILE", "nobody")
    assert "(nobody)" in ended(capsys)


SAM_CONFIG = """
version = 0.1
[default.deploy.parameters]
stack_name = "of-samconfig"
region = "eu-west-3"
"""


@pytest.mark.parametrize(
    ("config", "arguments", "asked"),
    [
        pytest.param(SAM_CONFIG, [], ("of-samconfig", "eu-west-3"), id="samconfig"),
        pytest.param(SAM_CONFIG, ["mine", "--region", "us-west-1"], ("mine", "us-west-1"), id="arguments"),
        pytest.param("", [], ("pushlive", "eu-north-1"), id="nothing-but-AWS_REGION"),
        pytest.param("no [toml", [], ("pushlive", "eu-north-1"), id="damaged"),
    ],
)
def test_which_stack_is_asked(
    nowhere: pytest.MonkeyPatch, config: str, arguments: list[str], asked: tuple[str, str]
) -> None:
    command.SAM_CONFIG.write_text(config)
    nowhere.setenv("AWS_REGION", "eu-north-1")
    seen = []

    def look(account: Account, stack: str, _dns_server: str) -> Report:
        seen.append((stack, account.region))
        raise CannotLookError("seen enough")

    nowhere.setattr(command, "look", look)
    assert command.main(arguments) == 2
    assert seen == [asked]


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([note("n", "on purpose")], 0, id="note"),
        pytest.param([problem("p", "wrong", "cure"), Finding(Level.UNSEEN, "u", "unseen")], 1, id="problem"),
        pytest.param([Finding(Level.UNSEEN, "u", "unseen"), note("n", "on purpose")], 2, id="unseen"),
    ],
)
def test_exit_code(nowhere: pytest.MonkeyPatch, findings: list[Finding], code: int) -> None:
    nowhere.setattr(command, "look", lambda *_: report(findings))
    assert command.main(["--region", "eu-west-1"]) == code


def report(findings: list[Finding], of_service: tuple[Finding, ...] = ()) -> Report:
    tags = {"pushlive:redeploy": "on-push"}
    live = DeploymentState(Service("app", "arn", desired_count=1, tags=tags))
    service = ServiceState(Settings.from_env(ENV), NOW, live, tags)
    return Report(STATE, tuple(findings), (ServiceReport(service, of_service),))


STATE = State(Stack("hello", "CREATE_COMPLETE"), "eu-west-1", NOW)
COMMAND = f"aws ecs tag-resource --resource-arn {'a' * 120} --tags key=pushlive:redeploy,value=on-push"


def printed(nowhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: Report) -> list[str]:
    """The page as it comes out of a pipe, or in a terminal 80 columns wide."""
    nowhere.setattr(command, "look", lambda *_: what)
    nowhere.delenv("COLUMNS", raising=False)
    command.main(["--region", "eu-west-1"])
    return capsys.readouterr().out.splitlines()


def test_page_tells_what_is_wrong_first(
    nowhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of_service = (problem("p", "it is broken", "mend it:", COMMAND), note("n", "by the way"))
    lines = printed(nowhere, capsys, report([], of_service))
    assert lines[0].startswith("1 thing is wrong · stack hello · eu-west-1 · 2026-11-20 10:10:00 UTC")
    assert lines[2].startswith("service app ─")
    assert [line.rstrip() for line in lines[3:7]] == [
        "✗ it is broken",
        "  → mend it:",
        COMMAND,
        "· by the way",
    ]
    assert {len(line) > 80 for line in lines if line != COMMAND} == {False}


def test_page_that_nothing_is_wrong(nowhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(nowhere, capsys, report([]))
    assert lines[0].startswith("nothing is wrong · stack hello")
    assert "0 of 1 run" in "\n".join(lines)


def test_page_counts_what_could_not_be_looked_at(
    nowhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = [problem("p", "x", ""), problem("q", "y", ""), Finding(Level.UNSEEN, "u", "z")]
    [first, *_] = printed(nowhere, capsys, report(told))
    assert first.startswith("2 things are wrong, 1 could not be looked at")


def test_json_has_its_keys_when_nothing_is_known() -> None:
    told = as_json(report([note("n", "on purpose")]))
    assert list(told) == ["stack", "region", "status", "at", "wrong", "findings", "services"]
    assert told["findings"] == [
        {"kind": "n", "level": "note", "what": "on purpose", "cure": "", "command": ""}
    ]
    [service] = json.loads(json.dumps(told["services"]))
    assert list(service) == [
        "service_name", "tags", "desired_count", "running_count", "images", "deployment", "tasks", "url",
        "distribution", "record", "would", "decisions", "findings",
    ]  # fmt: skip
    assert service["would"] == {"RedeployService": None, "UpdateRecord": None}
    assert (service["deployment"], service["record"], service["url"]) == (None, None, None)


@pytest.mark.parametrize(
    ("error", "what", "cure"),
    [
        pytest.param(
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetRole"),
            "could not look at its role: An error occurred (AccessDeniedException)",
            "you need the right to read it: docs/why.md lists the actions",
            id="not-allowed",
        ),
        pytest.param(
            ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "DescribeSubnets"),
            "DescribeSubnets",
            "you need the right to read it",
            id="not-allowed-by-ec2",
        ),
        pytest.param(OSError("no\nanswer"), "its role: no answer", "try again", id="no-answer"),
        pytest.param(
            KeyError("oddity"), "its role: KeyError: 'oddity'", "report this line", id="not-understood"
        ),
    ],
)
def test_what_could_not_be_looked_at_is_told_beside_what_was_found(
    error: Exception, what: str, cure: str
) -> None:
    def check(_: State) -> Iterator[Finding]:
        yield problem("p", "wrong", "cure")
        raise error

    checks = {"its role": check, "its port": lambda _: [note("n", "another check")]}
    found, unseen, other = checked(checks, STATE)
    assert (found.kind, unseen.level, other.kind) == ("p", Level.UNSEEN, "n")
    assert what in unseen.what
    assert cure in unseen.cure


def test_findings_are_told_once_and_problems_first() -> None:
    one, two, three = note("n", "n"), problem("p", "p", ""), Finding(Level.UNSEEN, "u", "u")
    assert ordered([one, two, three, one, two]) == (two, three, one)


LINE = {"level": "INFO", "message": "leave", "reason": "scaled to 0", "ecs_service": "app"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(json.dumps(LINE), ("app", "leave", "scaled to 0"), id="decision"),
        pytest.param(
            json.dumps(
                {"message": "failed", "ecs_service": "app", "exception": "Traceback\n  File x\nError: why\n"}
            ),
            ("app", "failed", "Error: why"),
            id="failure",
        ),
        pytest.param("REPORT RequestId: 1", None, id="of-lambda"),
        pytest.param('{"message": "ignored"}', None, id="of-no-service"),
        pytest.param("[1]", None, id="a-list"),
    ],
)
def test_line_of_a_log_is_read(line: str, said: tuple[str, str, str] | None) -> None:
    found = parse("RedeployService", 1_763_633_400_000, line)
    assert (found and (found.service_name, found.action, found.reason)) == said
    assert found is None or found.at == datetime(2025, 11, 20, 10, 10, tzinfo=UTC)


def test_what_is_said_again_and_again_is_told_once() -> None:
    def said(minute: int, function: str, action: str) -> LoggedDecision:
        return LoggedDecision(NOW + timedelta(minutes=minute), function, "app", action, "because")

    lines = [
        said(0, "A", "leave"),
        said(1, "B", "keep"),
        said(2, "A", "leave"),
        said(3, "A", "deploy"),
        said(4, "A", "leave"),
    ]
    told = [(each.at.minute, each.function, each.action, each.times) for each in newest_first(lines)]
    assert told == [
        (14, "A", "leave", 1),
        (13, "A", "deploy", 1),
        (12, "A", "leave", 2),
        (11, "B", "keep", 1),
    ]


def test_a_name_server_that_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone, "DNS_SECONDS", 0.1)
    with pytest.raises(OSError, match=r"no answer|timed out"):
        zone.name_servers("example.com", "127.0.0.1:1")


def test_help_names_the_keys_of_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    told = capsys.readouterr().out
    service: Any = as_json(report([]))["services"][0]
    assert not [key for key in service if key not in told]
