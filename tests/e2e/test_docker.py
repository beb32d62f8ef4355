"""docker login, docker build, docker push as the stack prints them; and other ways to push."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING, Any

from lab.user import sam, walk
from lab.user.deployed_stack import HOST_NAME
from lab.waiting import until
from tests.e2e.oci_layout import write_index

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Typed


def test_the_printed_lines_are_the_deploy(live: Typed) -> None:
    assert "version dev," in live.page()
    assert live.record_names() == {(HOST_NAME, "A"), (f"_pushlive.{HOST_NAME}", "TXT")}
    assert len(live.deployments()) == 2, "the empty one of the stack's creation, and that of the push"


def test_the_lines_that_make_lab_prints_are_the_deploy(live: Typed) -> None:
    parts = walk.parts(sam.ROOT, {}, sam.STACK_NAME, {"HostedZoneId": "Z1"}, docker=True)
    image, first, second = (line for part in parts for line in part.lines if "IMAGE" in line)
    for version, line in (("1", first), ("2", second)):
        live.types(f"{image}\n{line}")
        live.is_live(version)


def test_each_task_is_a_container_with_an_address_of_its_own(live: Typed) -> None:
    cluster, service = live.outputs["ClusterName"], live.outputs["ServiceName"]
    live.ecs.update_service(cluster=cluster, service=service, desiredCount=2)
    pages = until(lambda: pages if len(pages := _pages(live)) == 2 else None, "two tasks to answer")
    assert len(set(pages.values())) == 2, "a task id of its own on each page"
    assert live.lab.network is not None
    label = f"label=pushlive.lab={live.lab.network.name}"
    until(
        lambda: len(live.docker.run("ps", "--quiet", "--filter", label).split()) == 6,
        "each task to have three containers, its own and two sidecars",
    )
    live.ecs.update_service(cluster=cluster, service=service, desiredCount=1)
    until(lambda: live.is_steady(1), "one task again")


def test_sigterm_reaches_the_container_and_its_exit_code_comes_back(live: Typed) -> None:
    live.deploys("drains")
    ended = until(lambda: [c for c in live.stopped() if c.get("exitCode") is not None], "the old task's end")
    assert ended[-1]["exitCode"] == 0, "hello_app drains, and ends well"
    until(lambda: any("draining" in line for line in live.log_lines()), "its last words in the log")


def test_the_log_shows_what_the_container_wrote(live: Typed) -> None:
    until(lambda: any("serving" in line for line in live.log_lines()), "the line of a starting app")


def test_the_same_image_pushed_again_deploys_nothing(live: Typed) -> None:
    before = len(live.deployments())
    live.types(live.outputs["Step3Push"])
    assert "already live" in until(lambda: _reason_of_newest_push(live), "the decision about the push")
    assert len(live.deployments()) == before


def test_one_image_under_three_tags_is_one_deployment_for_the_tag_in_use(live: Typed) -> None:
    before = len(live.deployments())
    live.build("three-tags")
    for tag in ("v3", "stable"):
        other = f"{live.uri.rpartition(':')[0]}:{tag}"
        live.types(f"docker tag {live.uri} {other} && docker push {other}")
    live.types(live.outputs["Step3Push"])
    live.is_live("three-tags")
    until(
        lambda: (
            sum("uses another image" in str(line["reason"]) for line in live.log_of("RedeployService")) >= 2
        ),
        "both other tags to be looked at",
    )
    assert len(live.deployments()) == before + 1


def test_a_multi_arch_index_with_an_attestation_is_one_deployment(live: Typed, tmp_path: Path) -> None:
    before = len(live.deployments())
    live.build("multi-arch")
    daemon = f"--src-daemon-host {live.docker.host}" if live.docker.host else ""
    live.types(f"skopeo copy --quiet {daemon} docker-daemon:{live.uri} oci:{tmp_path}/one")
    write_index(tmp_path / "one", tmp_path / "index")
    live.types(
        f"skopeo copy --quiet --all --dest-tls-verify=false --dest-creds AWS:any oci:{tmp_path}/index"
        f" docker://{live.uri}"
    )
    live.is_live("multi-arch")
    assert len(_pushes_of_the_index(live)) == 4, "two platforms, an attestation, the index itself"
    assert len(live.deployments()) == before + 1


def test_skopeo_copy_is_a_deploy_as_well(live: Typed) -> None:
    live.build("skopeo")
    daemon = f"--src-daemon-host {live.docker.host}" if live.docker.host else ""
    live.types(
        f"skopeo copy --quiet {daemon} --dest-tls-verify=false --dest-creds AWS:any"
        f" docker-daemon:{live.uri} docker://{live.uri}"
    )
    live.is_live("skopeo")


def _pages(live: Typed) -> dict[str, str]:
    """What each address of a task says."""
    return {
        str(interface.public_ip): urllib.request.urlopen(f"http://{interface.public_ip}:8080/", timeout=5)
        .read()
        .decode()
        for interface in live.lab.ecs.interfaces().values()
    }


def _ecr_events(live: Typed) -> list[dict[str, Any]]:
    return [p.event for p in live.lab.delivery.history if p.event["source"] == "aws.ecr"]


def _pushes_of_the_index(live: Typed) -> list[dict[str, Any]]:
    """The events from the newest index's first child to the index."""
    return _ecr_events(live)[-4:]


def _reason_of_newest_push(live: Typed) -> str | None:
    event_id = _ecr_events(live)[-1]["id"]
    lines = [line for line in live.log_of("RedeployService") if line.get("event_id") == event_id]
    return str(lines[-1]["reason"]) if lines else None
