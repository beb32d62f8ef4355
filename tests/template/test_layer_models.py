"""What the build leaves of a service's model."""

from __future__ import annotations

from typing import Any

import pytest

from layer_build import cut_model, without_documentation

MODEL: dict[str, Any] = {
    "metadata": {"endpointPrefix": "x", "serviceId": "X"},
    "operations": {
        "Used": {
            "name": "Used",
            "input": {"shape": "In"},
            "errors": [{"shape": "Gone"}],
        },
        "Unused": {"name": "Unused", "input": {"shape": "Other"}},
    },
    "shapes": {
        "In": {"type": "structure", "members": {"shape": {"shape": "List"}, "text": {"shape": "Text"}}},
        "List": {"type": "list", "member": {"shape": "In"}},
        "Text": {"type": "string"},
        "Gone": {"type": "structure", "members": {}, "exception": True},
        "Other": {"type": "structure", "members": {}},
    },
}


def test_model_keeps_what_its_operations_reach() -> None:
    cut = cut_model(MODEL, {"Used"})
    assert set(cut["operations"]) == {"Used"}
    assert set(cut["shapes"]) == {"In", "List", "Text", "Gone"}
    assert cut["metadata"] == MODEL["metadata"]


def test_documentation_is_left_out_but_for_members_of_that_name() -> None:
    members = {"documentation": {"shape": "Text"}}
    assert without_documentation({"documentation": "words", "type": "string"}) == {"type": "string"}
    assert without_documentation(members) == members


def test_operation_that_the_model_lacks_is_named() -> None:
    with pytest.raises(ValueError, match="X has no operation Gone: see OPERATIONS"):
        cut_model(MODEL, {"Used", "Gone"})
