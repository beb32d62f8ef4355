"""What the functions' own tests tell, as stories in which each permission is needed.

A story is a test of tests/functions, run here once more with IAM between the function and AWS; those of
several host names or repositories are left out, because one stack has one of each.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from tests.functions import test_existing_services as existing
from tests.functions import test_leases as leases
from tests.functions import test_notifications as notifications
from tests.functions import test_redeploy_service as pushes
from tests.functions import test_update_record as records

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    Story = Callable[..., None]

# Whole lives of a service, from each side.
STORIES: list[Story] = [
    pushes.test_a_push_is_deployed,
    records.test_the_template_is_told_the_regions_prefix_list_of_cloudfront,
    pushes.test_two_runs_at_the_same_time_end_in_the_same_state,
    pushes.test_a_lost_push_is_deployed_by_the_schedule_once,
    pushes.test_the_children_of_an_index_deploy_nothing_and_its_tag_deploys_once,
    pushes.test_an_index_that_ecs_reports_as_its_child_is_already_live,
    pushes.test_more_services_than_one_call_describes_are_all_deployed,
    pushes.test_a_new_service_waits_at_0_and_the_first_push_starts_it_with_its_tags_count,
    pushes.test_a_push_between_the_look_and_the_hold_starts_the_service_once,
    pushes.test_a_service_scaled_to_0_is_left_and_deployed_after_it_is_scaled_up,
    pushes.test_a_failed_image_is_not_deployed_again_by_the_schedule,
    pushes.test_a_push_during_a_rollback_loses_nothing_and_is_deployed_after_it,
    pushes.test_a_service_that_never_was_is_no_error,
    pushes.test_one_failing_service_does_not_stop_the_rest_and_lambda_runs_the_event_again,
    notifications.test_each_outcome_is_told_once,
    notifications.test_what_sns_refuses_is_told_by_the_next_run,
    notifications.test_what_was_neither_told_nor_deployed_leaves_no_trace,
    notifications.test_a_record_that_is_not_ours_is_told_once_a_day,
    notifications.test_what_cannot_be_told_of_a_record_is_told_by_the_next_run,
    leases.test_the_run_that_leaves_names_the_lease,
    leases.test_runs_that_are_ended_one_after_the_other_do_not_stop_the_last,
    leases.test_a_service_that_is_gone_leaves_no_lease,
    records.test_the_first_task_is_published_with_a_note_whose_record_it_is,
    records.test_clients_move_as_soon_as_the_new_task_answers_and_before_the_old_one_is_stopped,
    records.test_a_right_record_costs_no_change,
    records.test_a_crashed_tasks_address_is_replaced_when_its_successor_answers,
    records.test_a_crashed_tasks_address_goes_at_once_while_another_answers,
    records.test_a_vanished_interface_does_not_fail_the_others,
    records.test_a_service_scaled_to_0_loses_its_record_and_the_note,
    records.test_a_deleted_service_loses_its_record,
    records.test_a_record_that_somebody_changed_meanwhile_is_read_again_and_put_right,
    records.test_a_race_lost_again_and_again_is_raised,
    records.test_the_record_of_a_new_stack_is_answered_and_nothing_is_written,
    records.test_a_stack_that_goes_takes_the_tag_then_the_record_and_nobody_puts_it_back,
]

# Those of a stack whose pattern admits several host names.
STORIES_OF_PATTERNS: list[Story] = [
    existing.test_a_stack_that_goes_takes_the_tags_then_the_records_and_the_services_go_on,
    existing.test_the_record_of_a_service_that_is_gone_goes_as_well,
    existing.test_what_the_stack_may_not_change_stays,
]

# The story that cannot end well without it. A statement's other parts (resources, values of conditions)
# are needed in the stories of its actions.
NEEDED_IN: dict[tuple[str, str], Story] = {
    ("RedeployServiceRole", "ecr:BatchGetImage"): (
        pushes.test_an_index_that_ecs_reports_as_its_child_is_already_live
    ),
    ("RedeployServiceRole", "logs:DeleteLogStream"): (
        notifications.test_what_was_neither_told_nor_deployed_leaves_no_trace
    ),
    ("RedeployServiceRole", "logs:DescribeLogStreams"): leases.test_the_run_that_leaves_names_the_lease,
    ("RedeployServiceRole", "sns:Publish"): notifications.test_what_sns_refuses_is_told_by_the_next_run,
    (
        "UpdateRecordRole",
        "logs:CreateLogStream",
    ): notifications.test_a_record_that_is_not_ours_is_told_once_a_day,
    ("UpdateRecordRole", "logs:DeleteLogStream"): (
        notifications.test_what_cannot_be_told_of_a_record_is_told_by_the_next_run
    ),
    (
        "UpdateRecordRole",
        "logs:DescribeLogStreams",
    ): notifications.test_a_record_that_is_not_ours_is_told_once_a_day,
    ("UpdateRecordRole", "sns:Publish"): notifications.test_a_record_that_is_not_ours_is_told_once_a_day,
    ("RedeployServiceRole", "sqs:SendMessage"): (
        pushes.test_one_failing_service_does_not_stop_the_rest_and_lambda_runs_the_event_again
    ),
    (
        "UpdateRecordRole",
        "ecs:ListServices",
    ): records.test_a_crashed_tasks_address_goes_at_once_while_another_answers,
    ("UpdateRecordRole", "ec2:DescribeManagedPrefixLists"): (
        records.test_the_template_is_told_the_regions_prefix_list_of_cloudfront
    ),
    ("UpdateRecordRole", "ecs:UntagResource"): (
        records.test_a_stack_that_goes_takes_the_tag_then_the_record_and_nobody_puts_it_back
    ),
    ("UpdateRecordRole", "route53:ChangeResourceRecordSets"): (
        records.test_a_service_scaled_to_0_loses_its_record_and_the_note
    ),
    ("UpdateRecordRole", "sqs:SendMessage"): records.test_a_race_lost_again_and_again_is_raised,
}
# Of every run: these need no story of their own.
ALWAYS = {
    "RedeployServiceRole": pushes.test_a_push_is_deployed,
    "UpdateRecordRole": records.test_a_right_record_costs_no_change,
}


def story_of(role: str, action: str) -> Story:
    """The story that needs an action."""
    return NEEDED_IN.get((role, action), ALWAYS[role])


# While a stack gets another host name, the role has the policy of the old one and that of the new one.
OTHER_NAME = "new.example.com"
RENAMING: Story = records.test_another_host_name_removes_the_old_record_only


def tell(story: Story, request: pytest.FixtureRequest) -> None:
    """Run a story with the fixtures that it asks for."""
    story(**{name: request.getfixturevalue(name) for name in inspect.signature(story).parameters})
