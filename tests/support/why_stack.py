"""A deployed stack that is asked why, and the conditions that people bring it into."""

from __future__ import annotations

import io
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.session
from rich.console import Console

from commands.why.account import Account
from commands.why.page import page
from commands.why.report import look
from commands.why.stack import read_stack
from lab import identity, ministack
from lab.ecr.oci import this_machine
from lab.user import sam
from lab.user.deployed_stack import DeployedStack
from lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from commands.why.finding import Finding
    from commands.why.report import Report
    from lab.lab import Lab


T = TypeVar("T")


class WhyStack(DeployedStack):
    def __init__(self, lab: Lab, build_folder: Path) -> None:
        super().__init__(lab, build_folder)
        if this_machine() == "linux/arm64":
            self.parameters["Architecture"] = "ARM64"
        self.called: set[str] = set()
        """Each operation of AWS that was called to find out why, as IAM names it: `ecs:ListTasks`."""
        session = botocore.session.get_session()
        session.set_credentials(
            identity.CREDENTIALS["AWS_ACCESS_KEY_ID"], identity.CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        )
        session.set_config_variable("region", identity.REGION)
        session.register("before-call", self._note)
        os.environ["AWS_ENDPOINT_URL"] = lab.endpoint  # the lab's end removes it
        self.account = Account(session)

    def _note(self, **event: Any) -> None:
        model = event["model"]
        self.called.add(f"{model.service_model.signing_name}:{model.name}")

    # ask

    @property
    def dns_server(self) -> str:
        host, port = self.lab.dns
        return f"{host}:{port}"

    def why(self) -> Report:
        return look(self.account, sam.STACK_NAME, self.dns_server)

    def found(self, kind: str) -> Finding | None:
        return next((finding for finding in self.why().all_findings if finding.kind == kind), None)

    def finding(self, kind: str) -> Finding:
        """The finding, once it is there."""
        return self.shows(lambda: self.found(kind), f"the finding {kind}")

    def is_cured(self, kind: str) -> bool:
        return self.shows(lambda: self.found(kind) is None, f"the end of {kind}")

    def shows(self, look: Callable[[], T | None], what: str) -> T:
        """The first answer that is true; an error shows the page of that moment."""
        try:
            return until(look, what)
        except TimeoutError as error:
            console = Console(width=100, file=io.StringIO())
            console.print(page(self.why()), crop=False)
            raise TimeoutError(f"{error}\n{console.file.getvalue()}") from error  # type: ignore[attr-defined]

    # what the stack is made of

    def resource(self, logical_id: str) -> str:
        found = read_stack(Account(self.account.session), sam.STACK_NAME).physical_id(logical_id)
        assert found, logical_id
        return found

    @property
    def cluster(self) -> str:
        return self.outputs["ClusterName"]

    def definition(self) -> dict[str, Any]:
        arn = self.service()["taskDefinition"]
        found: dict[str, Any] = self.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        return found

    # what people do to it

    @contextmanager
    def tagged(self, **tags: str) -> Iterator[None]:
        """The stack's service with other values of its tags."""
        arn, before = self.service()["serviceArn"], self.tags()
        self.ecs.tag_resource(resourceArn=arn, tags=_tags(tags))
        try:
            yield
        finally:
            self.ecs.tag_resource(resourceArn=arn, tags=_tags({name: before[name] for name in tags}))

    def tags(self) -> dict[str, str]:
        found = self.ecs.list_tags_for_resource(resourceArn=self.service()["serviceArn"])["tags"]
        return {t["key"].removeprefix("pushlive:"): t["value"] for t in found if "pushlive:" in t["key"]}

    @contextmanager
    def setting(self, function: str, **variables: str) -> Iterator[None]:
        """A function with other settings."""
        functions, name = self.lab.client("lambda"), self.resource(function)
        before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": before | variables}
        )
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """No rule triggers a function, and none that was triggered before is still at work."""
        events = self.lab.client("events")
        names = [rule["Name"] for rule in events.list_rules()["Rules"]]
        for name in names:
            events.disable_rule(Name=name)
        try:
            until(lambda: ministack.executions_in_flight() == 0, "the end of the runs under way")
            yield
        finally:
            for name in names:
                events.enable_rule(Name=name)

    def trigger(self, function: str) -> None:
        """Run a function as its schedule does, and wait for its end."""
        event = json.loads((sam.ROOT / "events" / "schedule.json").read_text())
        event |= {"account": identity.ACCOUNT, "region": identity.REGION}
        self.lab.client("lambda").invoke(
            FunctionName=self.resource(function), Payload=json.dumps(event).encode()
        )

    @contextmanager
    def record_set(self, name: str, kind: str, *values: str) -> Iterator[None]:
        """Another record set in the zone; none without values."""
        before = self._record_set(name, kind)
        after = {"Name": name, "Type": kind, "TTL": 1, "ResourceRecords": [{"Value": v} for v in values]}
        self._change("UPSERT" if values else "DELETE", after if values else before)
        try:
            yield
        finally:
            self._change("UPSERT", before)

    def _record_set(self, name: str, kind: str) -> Any:
        found = self.lab.client("route53").list_resource_record_sets(HostedZoneId=self.zone_id)
        [wanted] = [
            each
            for each in found["ResourceRecordSets"]
            if each["Name"].rstrip(".") == name and each["Type"] == kind
        ]
        return wanted

    def _change(self, action: str, record_set: Any) -> None:
        self.lab.client("route53").change_resource_record_sets(
            HostedZoneId=self.zone_id,
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record_set}]},
        )

    @contextmanager
    def own_service(
        self,
        container: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
        *,
        definition: dict[str, Any] | None = None,
        network: dict[str, Any] | None = None,
        desired_count: int = 0,
        rollback: bool = True,
        x86: bool = False,
        settings: dict[str, Any] | None = None,
    ) -> Iterator[str]:
        """A service that a person made in the stack's cluster: as the stack's, but for what is given.

        None in `container` or `definition` takes a setting away; `settings` are CreateService's own.
        """
        made = self.definition()
        [app] = [each for each in made["containerDefinitions"] if each["name"] == "app"]
        task = {
            "family": "own",
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": made["executionRoleArn"],
            "runtimePlatform": {"cpuArchitecture": "X86_64"} if x86 else made["runtimePlatform"],
            "containerDefinitions": [_changed(app, {"essential": True, **(container or {})})],
        }
        breaker = {"enable": rollback, "rollback": rollback}
        arn = self.ecs.register_task_definition(**_changed(task, definition or {}))
        service = self.service()["networkConfiguration"]["awsvpcConfiguration"] | (network or {})
        has_network = (definition or {}).get("networkMode", "awsvpc") == "awsvpc"
        own = {"networkConfiguration": {"awsvpcConfiguration": service}} if has_network else {}
        self.ecs.create_service(
            cluster=self.cluster,
            serviceName="own",
            taskDefinition=arn["taskDefinition"]["taskDefinitionArn"],
            desiredCount=desired_count,
            tags=_tags({"redeploy": "on-push"} | (tags or {})),
            **{"deploymentConfiguration": {"deploymentCircuitBreaker": breaker}, **own, **(settings or {})},
        )
        try:
            yield "own"
        finally:
            self.ecs.delete_service(cluster=self.cluster, service="own", force=True)
            until(
                lambda: (
                    self.ecs.describe_services(cluster=self.cluster, services=["own"])["services"][0][
                        "status"
                    ]
                    == "INACTIVE"
                ),
                "the end of the service",
            )


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": f"pushlive:{name}", "value": value} for name, value in tags.items()]


def _changed(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (settings | changes).items() if value is not None}
