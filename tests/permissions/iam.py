"""Whether IAM allows a request.

By MiniStack's evaluator: of what is on PyPI, moto's reads no conditions of identity policies, and
others ask AWS. It is the lab's own pinned version; test_iam.py holds it to AWS's documented examples.
What a policy may contain here is listed, so that nothing is evaluated in a way that was not tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ministack.core import iam_evaluator

from trials.in_memory.region import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Json = dict[str, Any]

ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}
OPERATORS = {
    "StringEquals", "StringLike", "ArnEquals", "ArnLike", "ForAllValues:StringEquals",
    "ForAllValues:StringLike",
}  # fmt: skip


class UnknownElementError(Exception):
    """A policy says something that was never compared with AWS's documentation."""


@dataclass(frozen=True)
class Request:
    """One action on one resource, as IAM decides on it."""

    action: str
    resource: str
    context: Mapping[str, str | list[str]] = field(default_factory=dict)
    """Condition keys, spelled as AWS spells them, to their values in the request."""

    def __str__(self) -> str:
        return f"{self.action} on {self.resource} with {dict(self.context)}"


def allows(documents: Iterable[Json], request: Request) -> bool:
    """Whether identity policies allow it: one statement does, and none denies.

    Raises:
        UnknownElementError: a policy has an element or operator that is not listed here.
    """
    parsed = [iam_evaluator.parse_policy_document(document) for document in map(_checked, documents)]
    return bool(iam_evaluator.evaluate(_evaluation(request), parsed).decision == "Allow")


def resource_allows(document: Json, request: Request, service: str) -> bool:
    """Whether a resource's own policy allows it to an AWS service, such as events.amazonaws.com."""
    result = iam_evaluator.evaluate_resource_policy(_checked(document), _evaluation(request), service=service)
    return bool(result.decision == "Allow")


def _evaluation(request: Request) -> Any:
    return iam_evaluator.EvalContext(
        principal_arn="",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=request.action,
        resource_arn=request.resource,
        region=REGION,
        service_context={key.lower(): value for key, value in request.context.items()},
    )


def _checked(document: Json) -> Json:
    for statement in document["Statement"]:
        conditions = statement.get("Condition", {})
        unknown = (statement.keys() - ELEMENTS) | (conditions.keys() - OPERATORS)
        if unknown:
            raise UnknownElementError(f"{sorted(unknown)} in {statement}: compare it with AWS's pages first")
        if "${" in str(list(_texts(statement))):
            raise UnknownElementError(f"a policy variable in {statement}: the evaluator does not fill it in")
    return document


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)
