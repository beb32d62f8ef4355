"""Runs rules with a schedule at their rate, and publishes what AWS measures by itself, each second."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lab.cloudwatch import queue_metrics
from lab.cloudwatch.function_metrics import FunctionMetrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from lab.eventbridge.delivery import Delivery


def run_schedules(delivery: Delivery, client: Callable[[str], Any], speed: float, stack: ExitStack) -> None:
    """Run each scheduled rule at its rate, `speed` times as fast as on AWS, until `stack` is closed."""
    end = threading.Event()
    metrics = FunctionMetrics(client("lambda"), client("logs"), client("cloudwatch"))

    def run() -> None:
        waited: dict[str, float] = {}
        while not end.wait(1):
            with suppress(ClientError, BotoCoreError):  # a queue may be deleted while it is looked at
                queue_metrics.publish(client("sqs"), client("cloudwatch"))
            with suppress(ClientError, BotoCoreError):  # the same of a function and its log
                metrics.publish()
            periods: dict[str, float] = {}
            with suppress(ClientError, BotoCoreError):  # the next second asks again
                periods = delivery.schedules()
            for name, period in periods.items():
                waited[name] = waited.get(name, 0) + 1
                if waited[name] >= period / speed:
                    waited[name] = 0
                    delivery.run_schedule(name)

    thread = threading.Thread(target=run, name="schedules", daemon=True)
    thread.start()
    stack.callback(thread.join, 10)
    stack.callback(end.set)
