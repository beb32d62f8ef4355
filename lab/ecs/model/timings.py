"""Every duration of the ECS model, in seconds. Pure.

"Documented" names the AWS page; "measured" names a drill that somebody published; the rest is assumed and
only has to be of the right order.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Timings:
    """How long ECS takes. `scaled(0.05)` is the same world twenty times as fast."""

    # Documented: API reference, DeploymentConfiguration, minimumHealthyPercent.
    ready_after_running_seconds: float = 40
    # Documented: API reference, ContainerDefinition, stopTimeout (Fargate: default 30, at most 120).
    default_stop_timeout_seconds: float = 30
    max_stop_timeout_seconds: float = 120
    # Documented: ECS guide "fargate-capacity-providers": a two-minute warning, by event and SIGTERM.
    spot_notice_seconds: float = 120
    # Documented: ECS guide "service-throttle-logic": at most 27 minutes between two attempts.
    throttle_max_seconds: float = 27 * 60
    # Documented: API reference, DescribeTasks: "at least one hour".
    stopped_task_kept_seconds: float = 3600
    # Documented: API reference, HealthCheck (defaults for a container that names only a command).
    health_check_interval_seconds: float = 30
    health_check_timeout_seconds: float = 5

    # Measured once (a public drill, us-east-2, an image tag that did not exist, desired count 1): failed
    # tasks at 2:34, 4:46 and 11:00 minutes. So no pause after the first failure, and four minutes after
    # the second.
    pull_failure_seconds: float = 120
    throttle_first_seconds: float = 240

    # Assumed.
    scheduler_seconds: float = 1
    provisioning_seconds: float = 15
    pending_seconds: float = 3
    deactivating_seconds: float = 0
    deprovisioning_seconds: float = 10
    steady_state_repeat_seconds: float = 6 * 3600
    inactive_service_kept_seconds: float = 3600

    # What one second written in a task definition or service (stopTimeout, interval, …) lasts.
    declared_second: float = 1
    # A health check is a process of this machine, which gets no faster when the time does.
    least_probe_interval_seconds: float = 0
    least_probe_timeout_seconds: float = 0

    def scaled(self, factor: float) -> "Timings":
        """The same timings with every duration multiplied by `factor`."""
        return Timings(**{field.name: getattr(self, field.name) * factor for field in fields(self)})
