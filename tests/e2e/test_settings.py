"""Settings and secrets in the lab: the lines of docs/settings.md, typed as they stand."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from lab.ecr.oci import build_image
from lab.ecr.registry import push_image
from lab.identity import REGION
from lab.lab import Lab
from lab.user import sam
from lab.user.deployed_stack import DeployedStack, quiet
from lab.user.mail_box import Inbox, Mail
from lab.waiting import until
from tests.support import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPEED = 40.0
PAGE = terminal.commands(sam.ROOT / "docs" / "settings.md")
# A value that is easily spoiled on its way, and one that nothing else contains.
SECRET = "postgres://app:p%2Fw=d#1@db.example.com/shop?ssl=true&x='y z'"
OTHER = "value-of-the-api-key"

# Shows its environment, and logs nothing.
PROGRAM = b"""
import http.server, json, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = json.dumps(dict(os.environ)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer((os.environ.get("HOST", ""), int(os.environ["PORT"])), Page).serve_forever()
"""


class SettingsStack(DeployedStack):
    """A stack whose program shows its environment."""

    def __init__(self, lab: Lab, build_folder: Path, folder: Path) -> None:
        super().__init__(lab, build_folder)
        self.folder = folder
        self.deploy()
        self.inbox = Inbox(lab, self.outputs["NotificationsTopic"])

    def types(self, line: str, *, rest: str = "", **words: str) -> str:
        """What a line of the page prints."""
        known = {
            "STACK": sam.STACK_NAME,
            "CLUSTER": self.outputs["ClusterName"],
            "SERVICE": self.outputs["ServiceName"],
            "REGION": REGION,
            "BUCKET": "shop-settings",
            "FILE": str(self.folder / "shop"),
        }
        filled = terminal.filled_in(line, {**known, **words})
        return terminal.types(f"{filled} {rest}", sam.environment(self.lab))

    def deploys(self, line: str, **words: str) -> str:
        """The same for `sam deploy`, of what was built for the tests."""
        rest = shlex.join([*sam.CONFIG, "--template-file", str(self.build_folder / "template.yaml")])
        return self.types(line, rest=rest, **words)

    def why(self, *options: str) -> str:
        """What the command says."""
        host, port = self.lab.dns
        line = f"python3 -m commands.why {sam.STACK_NAME} --dns-server {host}:{port} {' '.join(options)}"
        environment = {**sam.environment(self.lab), "PYTHONPATH": "layers/pushlive:."}
        return terminal.types_python(line, environment).stdout

    def push_program(self, version: str) -> str:
        files = {"app/app.py": PROGRAM, "app/version": version.encode()}
        return push_image(*self.repository, "latest", build_image(files, command=["python3", "/app/app.py"]))

    def variables(self) -> dict[str, str]:
        """What the program says, as soon as it does; nothing before."""
        try:
            return dict(json.loads(self.page()))
        except ValueError:
            return {}

    def has(self, **variables: str) -> bool:
        return variables.items() <= self.variables().items()

    def mail(self, *words: str) -> Mail:
        def found() -> Mail | None:
            mails = reversed(self.inbox.mails)
            return next((each for each in mails if all(word in f"{each}" for word in words)), None)

        return until(found, f"a message with {words}; there are {self.inbox.mails}", seconds=90)

    def definition(self) -> Any:
        arn = self.service()["taskDefinition"]
        return self.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]


def quoted(value: str) -> str:
    """As a person has to type it in a shell."""
    return "'" + value.replace("'", "'\\''") + "'"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SettingsStack]:
    folder = tmp_path_factory.mktemp("lab")
    sam.build(folder / "build", quiet)
    with Lab(speed=SPEED) as lab:
        made = SettingsStack(lab, folder / "build", folder)
        made.push_program("1")
        until(lambda: made.is_steady(1), "the first push to run")
        until(lambda: made.has(PORT=str(made.port)), "its page")
        yield made


def test_each_command_of_the_page_is_typed_here() -> None:
    assert {title: len(lines) for title, lines in PAGE.items()} == {
        "Parameters": 0,
        "Put a secret": 1,
        "Let the program read it": 1,
        "Change a secret": 2,
        "Settings that are not secret": 2,
        "Take a secret away": 2,
        "A key of your own": 0,
        "What the program itself may do": 0,
    }


def test_the_program_reads_its_secrets(stack: SettingsStack) -> None:
    [put], [let_read] = PAGE["Put a secret"], PAGE["Let the program read it"]
    stack.types(put, NAME="DATABASE_URL", VALUE=quoted(SECRET))
    stack.types(put, NAME="API_KEY", VALUE=OTHER)
    stack.deploys(let_read, NAME="DATABASE_URL,API_KEY")
    until(lambda: stack.has(DATABASE_URL=SECRET, API_KEY=OTHER), "the program to have both values")
    until(lambda: stack.is_steady(1), "the deployment's end")


def test_a_changed_secret_is_live_after_a_deployment_and_not_before(stack: SettingsStack) -> None:
    put, deploy = PAGE["Change a secret"]
    before = len(stack.deployments())
    stack.types(put, NAME="API_KEY", VALUE=f"{OTHER}-2")
    for rule in stack.lab.delivery.schedules():
        stack.lab.delivery.run_schedule(rule)
    assert stack.has(API_KEY=OTHER), "a running task keeps what it had"
    stack.types(deploy)
    until(lambda: stack.has(API_KEY=f"{OTHER}-2"), "the program to have the new value")
    until(lambda: stack.is_steady(1), "the deployment's end")
    assert len(stack.deployments()) == before + 1


def test_the_program_reads_a_file_of_settings(stack: SettingsStack) -> None:
    copy, let_read = PAGE["Settings that are not secret"]
    stack.lab.client("s3").create_bucket(Bucket="shop-settings")
    (stack.folder / "shop.env").write_text("# of the shop\nLEVEL=debug\nPORT=1\n", encoding="utf-8")
    stack.types(copy)
    stack.deploys(let_read)
    all_of_it = {"LEVEL": "debug", "PORT": str(stack.port), "API_KEY": f"{OTHER}-2"}
    until(lambda: stack.has(**all_of_it), f"the program to have {all_of_it}")
    until(lambda: stack.is_steady(1), "the deployment's end")


def test_no_value_is_seen_outside_the_program(stack: SettingsStack) -> None:
    definition = stack.definition()
    [app] = [each for each in definition["containerDefinitions"] if each["name"] == "app"]
    assert [each["name"] for each in app["secrets"]] == ["DATABASE_URL", "API_KEY"]
    logs = stack.lab.client("logs")
    lines = [
        event["message"]
        for group in logs.describe_log_groups()["logGroups"]
        for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
    ]
    assert lines
    seen = {
        "task definition": definition,
        "service": stack.service(),
        "logs": lines,
        "messages": stack.inbox.mails,
        "why": stack.why("--json") + stack.why(),
        "stack": stack.lab.client("cloudformation").describe_stacks(StackName=sam.STACK_NAME)["Stacks"],
    }
    shown = [where for where, what in seen.items() if "p%2Fw=d" in f"{what}" or OTHER in f"{what}"]
    assert shown == []


def test_a_secret_that_is_not_there_fails_the_deployment_and_the_mail_says_why(stack: SettingsStack) -> None:
    with pytest.raises(sam.SamError, match="UPDATE_ROLLBACK_COMPLETE"):
        stack.deploy(Secrets="DATABASE_URL,API_KEY,MISSING")
    mail = stack.mail("FAILED, what ran before runs again", "ResourceInitializationError")
    assert (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval "
        "failed: unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
        f"invalid ssm parameters: /{sam.STACK_NAME}/MISSING\n"
    ) in mail.text
    until(lambda: stack.is_steady(1), "the rollback's end")
    assert stack.has(API_KEY=f"{OTHER}-2"), "what ran before"


def test_why_says_that_the_file_is_not_there_until_it_is(stack: SettingsStack) -> None:
    s3 = stack.lab.client("s3")
    s3.delete_object(Bucket="shop-settings", Key="app.env")
    digest = stack.push_program("without its file")
    mail = stack.mail("FAILED", digest)
    assert "ResourceInitializationError: failed to download env files" in mail.text
    why = stack.why("--json")
    assert "ResourceInitializationError: failed to download env files" in why
    assert "is the object that EnvironmentFile names there? docs/settings.md" in why
    s3.put_object(Bucket="shop-settings", Key="app.env", Body=b"LEVEL=info")
    stack.push_program("with its file again")
    until(lambda: stack.has(LEVEL="info"), "the file to be read")
    until(lambda: stack.is_steady(1), "the deployment's end")


def test_a_secret_is_taken_away(stack: SettingsStack) -> None:
    without, delete = PAGE["Take a secret away"]
    stack.deploys(without)
    until(lambda: stack.variables() and "API_KEY" not in stack.variables(), "a program without it")
    stack.types(delete, NAME="API_KEY")
    assert stack.lab.client("ssm").get_parameters(Names=[f"/{sam.STACK_NAME}/API_KEY"])["Parameters"] == []
