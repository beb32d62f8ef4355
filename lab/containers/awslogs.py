"""The `awslogs` driver: lines of containers become log events (ECS guide, "awslogs log driver")."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

    from lab.ecs.model.state import Task

AT_ONCE = 1000
# Docker's driver gathers lines for five seconds: a call for each would keep the lab busy with logs.
GATHER_SECONDS = 0.5
END: tuple[str, str, dict[str, Any]] = ("", "", {})


class TaskLogs:
    """Takes lines at once, sends them in the background."""

    def __init__(self, client: CloudWatchLogsClient) -> None:
        self._client = client
        self._lines: queue.Queue[tuple[str, str, dict[str, Any]]] = queue.Queue()
        self._streams: set[tuple[str, str]] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._send_all, name="awslogs", daemon=True)
        self._thread.start()

    def write(self, task: Task, container_name: str, line: str) -> None:
        """Take one line of a container's output."""
        for definition in task.definition.described["containerDefinitions"]:
            configuration = definition.get("logConfiguration", {})
            if definition["name"] == container_name and configuration.get("logDriver") == "awslogs":
                options = configuration["options"]
                # The stream's name is documented: prefix-name/container-name/ecs-task-id.
                stream = f"{options['awslogs-stream-prefix']}/{container_name}/{task.id}"
                event = {"timestamp": int(time.time() * 1000), "message": line}
                self._lines.put((options["awslogs-group"], stream, event))

    def close(self) -> None:
        """Send what is left, then end."""
        self._closing.set()
        self._lines.put(END)
        self._thread.join(timeout=5)

    def _send_all(self) -> None:
        while (first := self._lines.get()) is not END:
            batches: dict[tuple[str, str], list[dict[str, Any]]] = {first[:2]: [first[2]]}
            self._closing.wait(GATHER_SECONDS)
            for _ in range(AT_ONCE):
                try:
                    group, stream, event = self._lines.get_nowait()
                except queue.Empty:
                    break
                if not group:
                    self._lines.put(END)
                    break
                batches.setdefault((group, stream), []).append(event)
            for (group, stream), events in batches.items():
                self._send(group, stream, events)

    def _send(self, group: str, stream: str, events: list[Any]) -> None:
        try:
            if (group, stream) not in self._streams:
                self._client.create_log_stream(logGroupName=group, logStreamName=stream)
                self._streams.add((group, stream))
            self._client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
        except self._client.exceptions.ResourceNotFoundException:
            pass  # the stack, and with it the log group, was deleted while the task ended
        except BotoCoreError:
            pass  # the lab itself ends, and its tasks with it: nobody can read their last lines
