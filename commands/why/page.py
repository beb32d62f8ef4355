"""The answer on a terminal: what is wrong first, then each service.

A command stands on a line of its own, which is neither wrapped nor framed nor indented: so it can be pasted
as it is. Print the page with `crop=False`: else rich cuts such a line off at the terminal's width.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from commands.why.finding import Finding, Level, short
from pushlive.record_plan import owner_text
from pushlive.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from commands.why.report import Report, ServiceReport
    from commands.why.state import LoggedDecision, RunningTask, ServiceState

MARKS = {Level.PROBLEM: ("✗", "bold red"), Level.UNSEEN: ("?", "bold yellow"), Level.NOTE: ("·", "cyan")}
DECISIONS_SHOWN = 5
IDLE = ("leave", "keep")
GOOD = ("COMPLETED", "SUCCESSFUL")


def page(report: Report) -> Group:
    """Return the whole page."""
    parts: list[RenderableType] = [_headline(report), *_findings(report.findings)]
    for each in sorted(report.services, key=lambda each: -_problems(each)):
        parts += _service(each, report.state.at)
    return Group(*parts)


def _headline(report: Report) -> Text:
    wrong = report.count(Level.PROBLEM)
    told = "nothing is wrong" if not wrong else f"{wrong} thing{'s are' if wrong > 1 else ' is'} wrong"
    if unseen := report.count(Level.UNSEEN):
        told += f", {unseen} could not be looked at"
    state = report.state
    where = f" · stack {state.stack.name} · {state.region} · {moment(state.at)}"
    return Text.assemble((told, "bold red" if wrong else "bold green"), (where, "dim"))


def _findings(findings: tuple[Finding, ...]) -> Iterator[RenderableType]:
    for finding in findings:
        mark, style = MARKS[finding.level]
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=1)
        grid.add_column(overflow="fold")
        grid.add_row(Text(mark, style), Text(finding.what, "bold" if finding.level is Level.PROBLEM else ""))
        if finding.cure:
            style = "green" if finding.level is Level.PROBLEM else "dim"
            grid.add_row("", Text(f"→ {finding.cure}", style))
        yield grid
        if finding.command:
            yield Text(finding.command, "bold", no_wrap=True, overflow="ignore")


def _problems(report: ServiceReport) -> int:
    return sum(finding.level is Level.PROBLEM for finding in report.findings)


def _service(report: ServiceReport, now: datetime) -> Iterator[RenderableType]:
    state = report.state
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(_brief(state), now):
        table.add_row(name, value)
    title = Text(f"service {state.service.service_name}", "bold")
    yield Text()
    yield Rule(title, align="left", style="red" if _problems(report) else "green")
    yield from _findings(report.findings)
    if not report.findings:
        yield Text("nothing is wrong", "green")
    yield Padding(table, (1, 0, 0, 0))


def _brief(state: ServiceState) -> ServiceState:
    """Return the state, with reasons that fit in a line: images without their registry, short digests."""
    decision, registry = state.deployment_decision, f"{state.settings.registry}/"

    def brief(reason: str) -> str:
        return re.sub("sha256:[0-9a-f]{64}", lambda digest: short(digest[0]), reason.replace(registry, ""))

    return replace(
        state,
        deployment_decision=decision and decision._replace(reason=brief(decision.reason)),
        decisions=tuple(each._replace(reason=brief(each.reason)) for each in state.decisions),
    )


def _rows(state: ServiceState, now: datetime) -> Iterator[tuple[str, RenderableType]]:
    if state.url:
        by = f"  by {state.before.distribution_id}, which asks {state.host_name}" if state.before else ""
        yield "URL", Text.assemble(state.url, (by, "dim"))
    yield "tags", Text(" · ".join(f"{tag}={value}" for tag, value in sorted(state.tags.items())))
    for image in state.images:
        pushed = f", pushed {moment(image.pushed_at, now)}" if image.pushed_at else ""
        yield "image", Text(f"{image.reference.rpartition('/')[2]} names {short(image.digest)}{pushed}")
    yield "deployment", _deployment(state, now)
    yield "tasks", Text(f"{state.service.running_count} of {state.service.desired_count} run")
    for task in state.tasks:
        yield "", _task(task, state.port, now)
    if state.record is not None:
        yield "record", _record(state)
    decisions = {"RedeployService": state.deployment_decision, "UpdateRecord": state.record_decision}
    for function, would in decisions.items():
        if would:
            told = (f"{function} would ", (would.action.value, "bold"), f": {would.reason}")
            yield "now" if function == "RedeployService" else "", Text.assemble(*told)
    if state.decisions:
        yield "log", _log(_telling(state.decisions), now)


def _deployment(state: ServiceState, now: datetime) -> Text:
    if (newest := state.newest) is None:
        return Text("none")
    style = "green" if newest.status in GOOD else "red" if newest.failed else "yellow"
    digests = ", ".join(map(short, newest.digests.values())) or "no image"
    text = Text.assemble((newest.status, style), f" of {digests}, since {moment(newest.created_at, now)}")
    if newest.finished_at:
        text.append(f", until {moment(newest.finished_at, now)}")
    if newest.status_reason:
        text.append(f"\n{newest.status_reason}", "dim")
    return text


def _answers(*, yes: bool, ready: bool) -> tuple[str, str]:
    """Return whether a task answers; with `ready` its readiness sidecar has said so."""
    if ready:
        return (" ready", "green") if yes else (" not ready", "red")
    return (" answers", "green") if yes else (" does not answer", "red")


def _task(running: RunningTask, port: int | None, now: datetime) -> Text:
    task, address = running.task, running.public_ip or "no public address"
    is_asked = task.readiness or (running.public_ip and port)
    answers = _answers(yes=running.answers, ready=bool(task.readiness)) if is_asked else ("", "")
    digests = ", ".join(map(short, running.digests)) or "no image yet"
    since = f" since {moment(task.started_at, now)}" if task.started_at else ""
    health = "" if task.health_status == "UNKNOWN" else f" {task.health_status}"
    older = "" if running.is_newest else ", of an older deployment"
    return Text.assemble(address, answers, f" · {task.last_status}{health}{since} · {digests}{older}")


def _record(state: ServiceState) -> Text:
    record = state.record
    if record is None or not (record.exists or record.owner):
        return Text(f"{state.host_name} has no record")
    text = Text(f"{state.host_name} → ")
    for number, address in enumerate(sorted(record.addresses)):
        yes = address in state.answering
        answers = _answers(yes=yes, ready=state.has_readiness) if state.port else ("", "")
        text.append_text(Text.assemble(", " if number else "", address, answers))
    if record.foreign_kind:
        text.append(record.foreign_kind)
    elif record.owner == owner_text(state.service.service_arn):
        text.append(f" · TTL {record.ttl_seconds} · of this service", "dim")
    else:
        text.append(f" · TTL {record.ttl_seconds} · owner: {record.owner or 'nobody says'}", "yellow")
    return text


def _telling(decisions: Sequence[LoggedDecision]) -> list[LoggedDecision]:
    """Return each function's last word, and before it what the functions did."""
    last = {each.function: each for each in reversed(decisions)}
    told = [each for each in decisions if each.action not in IDLE or each in last.values()]
    return told[:DECISIONS_SHOWN]


def _log(decisions: Sequence[LoggedDecision], now: datetime) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for said in decisions:
        times = f" ({said.times} times)" if said.times > 1 else ""
        at = moment(said.at, now).removesuffix(" UTC")
        grid.add_row(at, said.function, Text.assemble((said.action, "bold"), f"{times}: {said.reason}"))
    return grid
