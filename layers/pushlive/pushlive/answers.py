"""What AWS answers may lack. botocore's models of ECS, ECR and EC2 require no key of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class IncompleteAnswerError(Exception):
    """An answer lacks what a decision needs; the text names it."""


def needed(answer: Mapping[str, Any], key: str, operation: str) -> Any:  # noqa: ANN401 - of any type
    """Return the value of a key.

    Raises:
        IncompleteAnswerError: AWS did not give it.
    """
    if key not in answer:
        raise IncompleteAnswerError(f"the answer of {operation} lacks {key}: nothing is decided without it")
    return answer[key]
