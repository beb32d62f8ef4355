"""The tasks of the stack's cluster as the stack goes: CloudFormation asks, by a custom resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pushlive import ecs
from pushlive.cloudformation import NotYetError
from pushlive.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_ecs import ECSClient

    from pushlive.config import Settings
    from pushlive.events import StackRequest

LOOK_AGAIN_SECONDS = 2.0
# Left of the function's time-out when the last look begins: its calls and the answer must end in time.
LAST_LOOK_SECONDS = 8.0


@dataclass
class StackTasks:
    """What becomes of the tasks when CloudFormation asks."""

    settings: Settings
    ecs_client: ECSClient
    seconds_left: Callable[[], float]
    """Until the function's time-out."""
    sleep: Callable[[float], None]

    def carry_out(self, request: StackRequest) -> None:
        """On Delete wait until no task is left; for anything else there is nothing to do.

        A deleted service is INACTIVE as soon as its tasks are STOPPING (API reference, DeleteService), which
        may take them minutes. While there is a task, ECS keeps the cluster and its capacity providers (API
        reference, DeleteCluster, PutClusterCapacityProviders), and EC2 the gateway (DetachInternetGateway).

        Raises:
            NotYetError: the time of this run is over, and tasks are still stopping.
            ConfigError: a task goes on running, which is none of the stack's service.
        """
        if request.request_type != "Delete":
            return
        while left := ecs.unfinished_tasks(self.ecs_client, self.settings.cluster_arn):
            if self.seconds_left() < LAST_LOOK_SECONDS:
                running = [task.task_arn for task in left if task.desired_status == "RUNNING"]
                if not running:
                    raise NotYetError(f"{len(left)} tasks are still stopping")
                raise ConfigError(
                    f"A task that the stack did not start runs in its cluster: stop {running[0]} "
                    "(aws ecs stop-task), then delete the stack again"
                )
            self.sleep(LOOK_AGAIN_SECONDS)
