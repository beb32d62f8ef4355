"""Route 53: a hosted zone; changes are atomic, seen at once in the API, by resolvers up to 60 s later.

Sources: Route 53 API reference, ChangeResourceRecordSets, ListResourceRecordSets; developer guide, "Quotas"
(requests) and "How Route 53 routes changes" (60 seconds).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from trials.simulation.places import Json

Key = tuple[str, str]
BURST, PER_SECOND = 50, 10
SPREAD_SECONDS = 60
SAME_RECORD_SECONDS = 0.05
"""How long a change of a record is processed: another one meanwhile is refused. Assumed."""


@dataclass(frozen=True)
class RecordSet:
    """A record set; `answers` are its values, `other` what a routing policy or an alias adds."""

    answers: frozenset[str]
    ttl: int | None = 300
    other: tuple[tuple[str, str], ...] = ()
    """Such as `("SetIdentifier", "blue")`, or `("AliasTarget", "lb.example.net")`."""


class RefusedError(Exception):
    """What Route 53 answers instead; `code` is its name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Zone:
    """A hosted zone."""

    random: Random
    records: dict[Key, RecordSet] = field(default_factory=dict)
    published: dict[Key, list[tuple[float, frozenset[str]]]] = field(default_factory=dict)
    """What resolvers get, from when on."""
    held: dict[Key, list[tuple[float, frozenset[str]]]] = field(default_factory=dict)
    """What the record held, from when on."""
    _changed_at: dict[str, float] = field(default_factory=dict)
    _ordered: list[tuple[tuple[list[str], str], Key]] = field(default_factory=list)
    _descriptions: dict[Key, tuple[RecordSet, Json]] = field(default_factory=dict)
    _ordered_of: dict[Key, RecordSet] | None = None
    _tokens: float = BURST
    _counted_at: float = 0

    def count(self, now: float) -> None:
        """A request comes.

        Raises:
            RefusedError: there were too many.
        """
        self._tokens = min(BURST, self._tokens + (now - self._counted_at) * PER_SECOND)
        self._counted_at = now
        if self._tokens < 1:
            raise RefusedError("Throttling", "Rate exceeded")
        self._tokens -= 1

    def listed(self, name: str, limit: int) -> list[Json]:
        """The record sets from `name` on, in Route 53's order: of reversed labels, then of types."""
        if self._ordered_of is not self.records:  # a change replaces the whole dictionary
            self._ordered = sorted((_order(key), key) for key in self.records)
            self._ordered_of = self.records
        start = bisect_left(self._ordered, (_order((name, "")), ("", "")))
        return [self._described(key) for _, key in self._ordered[start : start + limit]]

    def _described(self, key: Key) -> Json:
        record = self.records[key]
        known = self._descriptions.get(key)
        if known is None or known[0] is not record:
            self._descriptions[key] = known = (record, _described(key, record))
        return known[1]

    def change(self, batch: list[Json], now: float) -> None:
        """Apply the whole batch, or nothing of it.

        Raises:
            RefusedError: a change is not possible, or one of the same record is still under way.
        """
        names = {change["ResourceRecordSet"]["Name"].rstrip(".") for change in batch}
        if any(now - self._changed_at.get(name, 0) < SAME_RECORD_SECONDS for name in names):
            raise RefusedError(
                "PriorRequestNotComplete", "The request was rejected: another one is in progress."
            )
        after = dict(self.records)
        problems = [problem for change in batch if (problem := _apply(after, change))]
        if problems:
            raise RefusedError("InvalidChangeBatch", f"[{', '.join(problems)}]")
        self._changed_at.update(dict.fromkeys(names, now))
        self.replace(after, now)

    def replace(self, after: dict[Key, RecordSet], now: float) -> None:
        """The zone holds `after` from now on; resolvers see it after a while."""
        for key in {*after, *self.records}:
            old, new = self.records.get(key), after.get(key)
            if old != new:
                seen = self.published.setdefault(key, [])
                at = max(seen[-1][0] if seen else 0, now + self.random.uniform(2, SPREAD_SECONDS))
                seen.append((at, new.answers if new else frozenset()))
                self.held.setdefault(key, []).append((now, new.answers if new else frozenset()))
        self.records = after

    def put(self, key: Key, record: RecordSet | None, now: float) -> None:
        """Somebody's hand: the record is this from now on; None: it is gone."""
        after = {**self.records, key: record} if record else {**self.records}
        if record is None:
            after.pop(key, None)
        self.replace({each: found for each, found in after.items() if found}, now)

    def answer(self, key: Key, now: float) -> frozenset[str]:
        """What a name server of Route 53 answers."""
        answers = [values for at, values in self.published.get(key, []) if at <= now]
        return answers[-1] if answers else frozenset()


def _order(key: Key) -> tuple[list[str], str]:
    name, kind = key
    return name.split(".")[::-1], kind


def _described(key: Key, record: RecordSet) -> Json:
    described: Json = {"Name": f"{key[0]}.", "Type": key[1]}
    other = dict(record.other)
    if "AliasTarget" in other:
        target = {"HostedZoneId": "Z1", "DNSName": other.pop("AliasTarget"), "EvaluateTargetHealth": False}
        return described | {"AliasTarget": target}
    values = [{"Value": value} for value in sorted(record.answers)]
    return described | other | {"TTL": record.ttl, "ResourceRecords": values}


def _apply(records: dict[Key, RecordSet], change: Json) -> str | None:
    """Carry out one change of a batch; return what is wrong with it."""
    given = change["ResourceRecordSet"]
    key = (given["Name"].rstrip("."), given["Type"])
    wanted = RecordSet(frozenset(each["Value"] for each in given["ResourceRecords"]), given["TTL"])
    what, found = f"resource record set [name='{key[0]}.', type='{key[1]}']", records.get(key)
    if not wanted.answers:
        return f"Invalid Resource Record: {what} has no value"
    if change["Action"] == "DELETE":
        if found is None:
            return f"Tried to delete {what} but it was not found"
        if found != wanted:
            return f"Tried to delete {what} but the values provided do not match the current values"
        del records[key]
        return None
    if change["Action"] == "CREATE" and (found is not None or (key[0], "CNAME") in records):
        return f"Tried to create {what} but it already exists"
    records[key] = wanted
    return None
