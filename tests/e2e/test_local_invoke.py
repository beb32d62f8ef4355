"""`sam local invoke` of every function with every event, in Docker, with the lab as its AWS account."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from lab.containers.base_images import lambda_image
from lab.identity import ACCOUNT
from lab.user import sam
from lab.waiting import until
from tests.e2e.conftest import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Typed

EVENTS = sorted((sam.ROOT / "events").glob("*.json"))
FUNCTIONS = ["RedeployService", "UpdateRecord"]
EXAMPLE_ACCOUNT, EXAMPLE_ZONE = "123456789012", "Z0123456789ABCDEFGHIJ"
HOST_NAME = "hello.example.com"
INVOKE_IMAGE = "pushlive-lab/lambda-python:3.13"
AT_ONCE = 2
INVOKE_SECONDS = 120


@dataclass
class Answer:
    """What an invocation printed."""

    answer: str
    words: str

    @property
    def decisions(self) -> list[tuple[str, str]]:
        """The message and the reason of each line that the function logged."""
        lines = [json.loads(line) for line in self.words.splitlines() if line.startswith('{"level"')]
        return [(line["message"], line.get("reason", "")) for line in lines]


class Account:
    """The place that the events tell of: cluster `pushlive`, service `hello`, and so on; in the lab."""

    def __init__(self, live: Typed, built: Path, folder: Path) -> None:
        self.live, self.lab, self._built, self._folder = live, live.lab, built, folder
        assert self.lab.network is not None
        self._gateway, self._network = self.lab.network.gateway, self.lab.network.name
        self.uri = self.lab.client("ecr").create_repository(repositoryName="hello")["repository"][
            "repositoryUri"
        ]
        live.types(f"docker tag {live.uri} {self.uri}:latest && docker push --quiet {self.uri}:latest")
        self.settings = json.loads((sam.ROOT / "events" / "local" / "env.json").read_text())
        log_group = self.settings["Parameters"]["LEASES_LOG_GROUP"]
        self.lab.client("logs").create_log_group(logGroupName=log_group)
        topic = self.settings["Parameters"]["TOPIC_ARN"].rpartition(":")[2]
        self.topic_arn = self.lab.client("sns").create_topic(Name=topic)["TopicArn"]
        ecs = self.lab.client("ecs")
        ecs.create_cluster(clusterName="pushlive")
        container = {
            "name": "app",
            "image": f"{self.uri}:latest",
            "portMappings": [{"containerPort": 8080}],
            "environment": [{"name": "DRAIN_SECONDS", "value": "0"}],
        }
        ecs.register_task_definition(
            family="hello",
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            requiresCompatibilities=["FARGATE"],
            containerDefinitions=[container],
        )
        ecs.create_service(
            cluster="pushlive",
            serviceName="hello",
            taskDefinition="hello",
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration={
                "awsvpcConfiguration": {"subnets": ["subnet-0a1b2c3d"], "assignPublicIp": "ENABLED"}
            },
            tags=[
                {"key": "pushlive:redeploy", "value": "on-push"},
                {"key": "pushlive:hostname", "value": HOST_NAME},
            ],
        )
        until(lambda: self.service()["deployments"][0]["rolloutState"] == "COMPLETED", "the service to run")
        recipe = f"FROM {lambda_image()}\nENV AWS_ENDPOINT_URL=http://{self._gateway}:{self.lab.port}\n"
        self.live.docker.run("build", "--quiet", "--tag", INVOKE_IMAGE, "-", content=recipe.encode())
        self.answers = Answers(self._gateway)

    def service(self) -> Any:
        return self.lab.client("ecs").describe_services(cluster="pushlive", services=["hello"])["services"][0]

    def deployments(self) -> list[Any]:
        answer = self.lab.client("ecs").list_service_deployments(cluster="pushlive", service="hello")
        return list(answer["serviceDeployments"])

    def event(self, path: Path, **changes: object) -> Path:
        """A copy of an event file, of this account; CloudFormation's answer comes to us."""
        text = path.read_text().replace(EXAMPLE_ACCOUNT, ACCOUNT).replace(EXAMPLE_ZONE, self.live.zone_id)
        event = json.loads(text)
        if "ResponseURL" in event:
            event["ResponseURL"] = self.answers.url
        event |= changes
        copy = self._folder / f"{path.stem}{len(changes)}.json"
        copy.write_text(json.dumps(event))
        return copy

    def invoke(self, function: str, event: Path, *, dry_run: bool = True) -> Answer:
        """What a person sees who types it."""
        settings = self.settings["Parameters"] | {
            "CLUSTER_ARN": f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/pushlive",
            "REGISTRY": self.uri.partition("/")[0],
            "REPOSITORIES": self.uri.partition("/")[2].partition(":")[0],
            "HOSTED_ZONE_ID": self.live.zone_id,
            "TOPIC_ARN": self.topic_arn,
            "DRY_RUN": str(dry_run).lower(),
        }
        variables = self._folder / f"env-{dry_run}.json"
        variables.write_text(json.dumps({"Parameters": settings}))
        done = subprocess.run(  # noqa: S603 - no shell
            [
                *(sam.executable(), "local", "invoke", function, "--event", str(event)),
                *("--template", str(self._built / "template.yaml"), "--env-vars", str(variables)),
                *("--docker-network", self._network, "--invoke-image", INVOKE_IMAGE, "--skip-pull-image"),
                *("--layer-cache-basedir", str(self._folder / "layers")),
            ],
            cwd=sam.ROOT,
            env=os.environ | self.live.docker.environment | sam.environment(self.lab),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=INVOKE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return Answer(done.stdout.strip(), done.stderr)


class Answers:
    """Takes what the functions tell CloudFormation, in the lab's own network."""

    def __init__(self, host: str) -> None:
        taken: dict[str, dict[str, Any]] = {}
        self.taken = taken

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                taken[body["RequestId"]] = body
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer((host, 0), Handler)
        self.url = f"http://{host}:{self._server.server_port}/answer"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def account(live: Typed, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    made = Account(live, built, tmp_path_factory.mktemp("invoke"))
    yield made
    made.answers.close()
    live.docker.run("image", "rm", "--force", INVOKE_IMAGE)


@pytest.fixture(scope="module")
def answers(account: Account) -> dict[tuple[str, str], Answer]:
    """Every function with every event; two at a time, because each takes seconds."""
    pairs = [(function, path) for function in FUNCTIONS for path in EVENTS]
    say("sam local invoke, %s times ...", len(pairs))
    first = account.invoke(FUNCTIONS[0], account.event(EVENTS[0]))  # makes the image with the layer
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rest = list(pool.map(lambda pair: account.invoke(pair[0], account.event(pair[1])), pairs[1:]))
    return {
        (function, path.stem): answer for (function, path), answer in zip(pairs, [first, *rest], strict=True)
    }


NOBODYS = {
    "image_deleted",
    "image_replicated",
    "push_multiarch_1_amd64_child",
    "push_multiarch_2_arm64_child",
    "push_multiarch_3_attestation_child",
    "push_untagged_child",
    "push_untagged_without_key",
    "task_standalone_running",
}
STACKS = {
    "stack_creates_record": ("UpdateRecord", "create"),
    "stack_renames_record": ("UpdateRecord", "update"),
    "stack_deletes_record": ("UpdateRecord", "delete"),
    "stack_deletes_records": ("UpdateRecord", "delete"),
    "stack_creates_tasks_gone": ("RedeployService", "create"),
    "stack_asks_cloudfront_addresses": ("UpdateRecord", "create"),
}


def expected(function: str, event: str) -> str:
    """The last word about an event, where the service runs what its tag names and has no record yet."""
    if event in NOBODYS:
        return "ignored"
    if event in STACKS:
        who, word = STACKS[event]
        return word if function == who else "ignored"
    if function == "RedeployService":
        return "leave"
    return "ignored" if event.startswith("push_") else "write"


@pytest.mark.parametrize("event", [path.stem for path in EVENTS])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_handles_every_event(
    answers: dict[tuple[str, str], Answer], function: str, event: str
) -> None:
    answer = answers[function, event]
    # sam ends with 0 even when the handler raises: an error is in its answer.
    assert answer.answer == "null", answer.words
    assert "errorType" not in answer.answer + answer.words
    assert answer.decisions[-1][0] == expected(function, event), answer.decisions


def test_a_dry_run_changes_nothing(account: Account, answers: dict[tuple[str, str], Answer]) -> None:
    assert len(answers) == len(FUNCTIONS) * len(EVENTS)
    assert len(account.deployments()) == 1, "the one of the service's creation"
    assert (HOST_NAME, "A") not in account.live.record_names()


def test_cloudformation_gets_its_answers(account: Account, answers: dict[tuple[str, str], Answer]) -> None:
    assert answers
    requests = [json.loads((sam.ROOT / "events" / f"{event}.json").read_text()) for event in STACKS]
    for request in requests:
        answer = account.answers.taken[request["RequestId"]]
        assert answer["Status"] == "SUCCESS", answer
        assert answer["LogicalResourceId"] == request["LogicalResourceId"]


def test_without_dry_run_a_push_is_deployed(account: Account) -> None:
    live = account.live
    live.build("local-invoke")
    live.types(f"docker tag {live.uri} {account.uri}:latest && docker push --quiet {account.uri}:latest")
    ecr = account.lab.client("ecr")
    [image] = ecr.describe_images(repositoryName="hello", imageIds=[{"imageTag": "latest"}])["imageDetails"]
    template = json.loads((sam.ROOT / "events" / "push_tagged.json").read_text())
    detail = template["detail"] | {"image-digest": image["imageDigest"]}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = account.event(sam.ROOT / "events" / "push_tagged.json", detail=detail, time=now)
    answer = account.invoke("RedeployService", event, dry_run=False)
    assert [message for message, _ in answer.decisions] == ["deploy"], answer.words
    assert len(account.deployments()) == 2
    until(lambda: account.service()["deployments"][0]["rolloutState"] == "COMPLETED", "the deployment's end")


def test_without_dry_run_the_record_is_written_and_removed(account: Account) -> None:
    written = account.invoke(
        "UpdateRecord", account.event(sam.ROOT / "events" / "task_running.json"), dry_run=False
    )
    assert written.decisions[0][0] == "write", written.words
    assert "version local-invoke," in account.live.page(HOST_NAME)
    removed = account.invoke(
        "UpdateRecord", account.event(sam.ROOT / "events" / "stack_deletes_record.json"), dry_run=False
    )
    assert ("delete", "asked by the stack") in removed.decisions, removed.words
    assert (HOST_NAME, "A") not in account.live.record_names()
