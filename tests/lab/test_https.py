"""HTTPS in front of a service that was set up for it: both stacks, deployed by the real SAM CLI."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from lab.lab import Lab
from lab.user import sam
from lab.user.browse import page
from lab.user.deployed_stack import quiet
from lab.user.resolver import Resolver
from lab.waiting import until
from tests.support.why_conditions import admitted_too, distribution, origin
from tests.support.why_stack import WhyStack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Condition = Callable[[WhyStack], AbstractContextManager[object]]

NAME, ORIGIN = "app.example.com", "origin-app.example.com"


@pytest.fixture(scope="module")
def stack() -> Iterator[WhyStack]:
    with Lab(speed=60) as lab:
        sam.build(lab.folder / "build", quiet)
        deployed = WhyStack(lab, lab.folder / "build")
        deployed.deploy(HostName=ORIGIN, Https="true")
        yield deployed


def reads(stack: WhyStack, name: str) -> str:
    """What a visitor of https://NAME reads."""
    edges = stack.lab.edges
    return page(Resolver(stack.lab.dns), name, edges.https_port, str(edges.authority))


def test_the_next_command_of_the_service_sets_up_https_and_its_output_is_the_page(
    stack: WhyStack,
) -> None:
    stack.push("1")
    assert "Step4Url" not in stack.outputs
    assert stack.finding("https-without-distribution").command == stack.outputs["Step4Https"]
    arguments = stack.outputs["Step4Https"].replace("--config-env https", "--config-env https-lab").split()
    assert arguments[:2] == ["sam", "deploy"]
    typed = [each.replace("HostName=NAME", f"HostName={NAME}") for each in arguments[1:]]
    sam.run(typed, sam.environment(stack.lab), quiet)
    outputs = sam.outputs(stack.lab, sam.HTTPS_STACK_NAME)
    assert outputs["Step1Url"] == f"https://{NAME}/"
    until(lambda: "version 1," in reads(stack, NAME), "the page by https")
    assert "version 1," in reads(stack, outputs["DistributionName"])


def test_the_container_port_is_open_to_cloudfront_alone(stack: WhyStack) -> None:
    ec2 = stack.lab.client("ec2")
    [group] = [
        each
        for each in ec2.describe_security_groups()["SecurityGroups"]
        if each["Description"].startswith("The container port")
    ]
    [lists] = [
        each["PrefixListId"]
        for each in ec2.describe_managed_prefix_lists()["PrefixLists"]
        if each["PrefixListName"] == "com.amazonaws.global.cloudfront.origin-facing"
    ]
    [port] = group["IpPermissions"]
    assert ([each["PrefixListId"] for each in port["PrefixListIds"]], port["IpRanges"]) == ([lists], [])


def test_why_names_the_page_that_visitors_open_and_nothing_wrong(stack: WhyStack) -> None:
    stack.shows(lambda: not stack.why().all_findings, "nothing to find")
    [service] = stack.why().services
    assert service.state.url == f"https://{NAME}/"
    assert "ec2:DescribeManagedPrefixLists" in stack.called
    assert [each.origins for each in service.state.asking] == [{ORIGIN: stack.port}]


def swapped(config: dict[str, Any]) -> None:
    config["Aliases"]["Items"] = [ORIGIN]


@pytest.mark.parametrize(
    ("kind", "condition", "cure"),
    [
        pytest.param(
            "distribution-disabled",
            lambda s: distribution(s, lambda config: config.update(Enabled=False)),
            "enable it",
            id="disabled",
        ),
        pytest.param(
            "origin-port", lambda s: distribution(s, origin(HTTPPort=80)), "OriginPort=", id="another-port"
        ),
        pytest.param(
            "origin-unknown",
            lambda s: distribution(s, origin(DomainName="gone.example.com")),
            f"OriginName={ORIGIN}",
            id="origin-of-nobody",
        ),
        pytest.param(
            "names-swapped",
            lambda s: distribution(s, swapped),
            f"sam deploy --parameter-overrides HostName=origin-{ORIGIN}",
            id="one-name-for-both",
        ),
        pytest.param("alias-missing", lambda s: s.record_set(NAME, "A"), "alias record", id="no-alias"),
        pytest.param(
            "https-still-http", lambda s: admitted_too(s, "0.0.0.0/0"), "Https=true", id="open-to-everybody"
        ),
    ],
)
def test_why_names_what_is_wrong_with_https(
    stack: WhyStack, kind: str, condition: Condition, cure: str
) -> None:
    with condition(stack):
        found = stack.finding(kind)
        assert cure in f"{found.cure}\n{found.command}"
    assert stack.is_cured(kind)


def test_a_push_reaches_the_visitors_of_https(stack: WhyStack) -> None:
    stack.push("2")
    until(lambda: "version 2," in reads(stack, NAME), "the second version by https")
    until(lambda: stack.is_steady(1), "the deployment's end")


class Seen:
    """What visitors of https read, and where the origin's name points to, while things are taken away."""

    def __init__(self, stack: WhyStack) -> None:
        self.others: set[str] = set()
        self.strangers: set[str] = set()
        self._stack = stack
        self._ours: set[str] = set()

    def look(self) -> bool:
        """Whether the page is there. Another page is noted, and an address that was never a task's."""
        lab = self._stack.lab
        held = set(Resolver(lab.dns).resolve(ORIGIN))
        self._ours |= {each.public_ip or "" for each in lab.ecs.interfaces().values()}
        self.strangers |= held - self._ours
        try:
            text = reads(self._stack, NAME)
        except OSError:  # an error of the edge, or nobody accepts the connection
            return False
        self.others |= set() if text.startswith("Hello, World! version 2,") else {text}
        return True

    def look_through_new_edges(self) -> bool:
        """As `look`: an edge that has found the name missing remembers that for the zone's 900 s."""
        self._stack.lab.edges.begin_anew()
        return self.look()


def lose_the_origin(stack: WhyStack) -> None:
    task, *_ = stack.ecs.list_tasks(cluster=stack.cluster)["taskArns"]
    stack.lab.ecs.kill_container(task, "app")


def lose_the_name(stack: WhyStack) -> None:
    """Somebody deletes the record by hand; the schedule puts it back."""
    client = stack.lab.client("route53")
    listed = client.list_resource_record_sets(HostedZoneId=stack.zone_id)["ResourceRecordSets"]
    changes = [{"Action": "DELETE", "ResourceRecordSet": each} for each in listed if ORIGIN in each["Name"]]
    client.change_resource_record_sets(HostedZoneId=stack.zone_id, ChangeBatch={"Changes": changes})


def lose_the_edge(stack: WhyStack) -> None:
    """Others come in its place, which know no name and no connection."""
    stack.lab.edges.begin_anew()


LOSE = {"origin": lose_the_origin, "name": lose_the_name, "edge": lose_the_edge}


@pytest.mark.parametrize("order", list(itertools.permutations(LOSE)), ids="-".join)
def test_whatever_is_lost_visitors_read_the_page_or_an_error_and_the_name_has_only_our_tasks(
    stack: WhyStack, order: tuple[str, ...]
) -> None:
    seen = Seen(stack)
    until(seen.look_through_new_edges, "the page before anything is lost")
    until(lambda: stack.is_steady(1), "a task to lose")
    for what in order:
        LOSE[what](stack)
        seen.look()
    until(seen.look_through_new_edges, "the page again")
    assert (seen.others, seen.strangers) == (set(), set())


def test_without_https_the_container_port_is_open_again(stack: WhyStack) -> None:
    sam.delete_https(stack.lab, quiet)
    assert Resolver(stack.lab.dns).resolve(NAME) == []
    stack.deploy(HostName=NAME, Https="false")
    until(lambda: stack.says("2"), "the page by http")
