"""Containers as processes: what they see, what they say, and that none of them stays."""

import asyncio
import http.client
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import boto3
import pytest

from lab.containers.process_runtime import CannotPullContainerError, CannotStartContainerError, ProcessRuntime
from lab.ec2.addresses import Addresses, free_port, loopback_of
from lab.ecr.oci import build_image, build_index, hello_app_image, unpack
from lab.ecr.registry import push_image, push_index
from pushlive.probe import answering
from tests.support.ministack_process import ministack

ADDRESS = "127.96.7.1"
OTHER_ADDRESS = "127.96.7.2"
LOOPBACK = "127.224.7.1"  # of the task at ADDRESS
DEADLINE_SECONDS = 20
PORT = free_port(8080)
LISTEN = f"""
import os, socket
server = socket.create_server((os.environ["HOST"], {PORT}))
print("listening", flush=True)
while True:
    server.accept()[0].close()
"""
CONNECT = f"import socket; socket.create_connection(('127.0.0.1', {PORT})).close()"


async def until(condition: Callable[[], bool], state: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"last seen: {state()}"
        await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie whose parent does not look (init, in some containers) is dead all the same.
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


class Run:
    """One container and what it did."""

    def __init__(self) -> None:
        self.id = ""
        self.happened: list[str | int] = []  # lines, then the exit code

    @property
    def lines(self) -> list[str]:
        return [line for line in self.happened if isinstance(line, str)]

    async def line(self, text: str) -> None:
        await until(lambda: text in self.lines, lambda: self.happened)

    async def exit_code(self) -> int:
        await until(lambda: any(isinstance(h, int) for h in self.happened), lambda: self.happened)
        code = self.happened[-1]
        assert isinstance(code, int), self.happened  # nothing comes after it
        return code


class Machine:
    """A runtime and a folder for images that need no registry."""

    def __init__(self, runtime: ProcessRuntime, folder: Path) -> None:
        self.runtime = runtime
        self.folder = folder

    async def run(self, program: str, *, address: str = ADDRESS, **image: str) -> Run:
        folder = image_folder(self.folder, program, **image)
        return await self.run_image(folder, address=address)

    async def run_image(
        self,
        image: str,
        *,
        address: str = ADDRESS,
        command: tuple[str, ...] = (),
        entry_point: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> Run:
        run = Run()
        run.id = await self.runtime.start(
            "task1",
            image,
            address=address,
            on_exit=run.happened.append,
            log=run.happened.append,
            command=command,
            entry_point=entry_point,
            environment=environment,
        )
        return run


@asynccontextmanager
async def machine(folder: Path) -> AsyncIterator[Machine]:
    runtime = ProcessRuntime(folder)
    try:
        yield Machine(runtime, folder)
    finally:
        await runtime.close()


def image_folder(folder: Path, program: str, *, stop_signal: str = "", colour: str = "red") -> str:
    image = build_image(
        {"app/app.py": program.encode(), "bin/hello": b"#!/bin/sh\necho hello from the image\n"},
        command=["python3", "/app/app.py"],
        environment={"COLOUR": colour, "PATH": "/usr/bin:/bin"},
    )
    config = json.loads(image.config.content)
    if stop_signal:
        config["config"]["StopSignal"] = stop_signal
    made = folder / f"{image.digest.replace(':', '-')}-{stop_signal}"
    if not made.exists():  # else a program that reads it now would find it empty for a moment
        unpack(image, made / "rootfs")
        (made / "config.json").write_text(json.dumps(config))
    return str(made)


def test_program_runs_with_our_python_and_the_images_files(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with machine(tmp_path) as m:
            run = await m.run(
                "import sys; print(sys.executable); print(sys.argv[0]); print('app' in __file__)"
            )
            assert await run.exit_code() == 0
            executable, argument, found = run.lines
            assert executable == sys.executable
            assert argument.startswith(str(tmp_path))
            assert found == "True"

    asyncio.run(scenario())


def test_environment_is_the_images_and_the_definitions_and_never_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    monkeypatch.setenv("PYTHONPATH", "ours")

    async def scenario() -> dict[str, str]:
        folder = image_folder(tmp_path, "import json, os; print(json.dumps(dict(os.environ)))")
        async with machine(tmp_path) as m:
            given = {"SHAPE": "round", "COLOUR": "blue", "HOST": "0.0.0.0"}
            run = await m.run_image(folder, environment=given)
            assert await run.exit_code() == 0, run.happened
            seen = json.loads(run.lines[0])
            assert isinstance(seen, dict)
            return seen

    seen = asyncio.run(scenario())
    assert set(seen) - {"LC_CTYPE"} == {"PATH", "LANG", "HOME", "TMPDIR", "COLOUR", "SHAPE", "HOST"}
    assert (seen["COLOUR"], seen["SHAPE"], seen["HOST"]) == ("blue", "round", ADDRESS)
    assert seen["HOME"].startswith(str(tmp_path))
    assert "ours" not in seen.values()


@pytest.mark.parametrize(
    ("entry_point", "command", "expected"),
    [
        ((), (), "app"),
        ((), ("hello",), "hello from the image"),
        ((), ("/bin/hello",), "hello from the image"),
        (("sh", "-c"), ("echo $COLOUR",), "red"),
        (("hello",), (), "hello from the image"),
        ((), ("sh", "-c", "echo localhost 127.0.0.1 0.0.0.0:80"), f"{LOOPBACK} {LOOPBACK} {ADDRESS}:80"),
        ((), ("/usr/local/bin/python3.13", "-c", "print('ours')"), "ours"),
    ],
    ids=[
        "image-decides",
        "command-of-the-definition",
        "absolute-path-is-the-images",
        "entry-point-and-command",
        "entry-point-drops-the-images-command",
        "loopback-is-the-tasks-own",
        "any-python-is-ours",
    ],
)
def test_what_is_run(
    tmp_path: Path, entry_point: tuple[str, ...], command: tuple[str, ...], expected: str
) -> None:
    async def scenario() -> None:
        folder = image_folder(tmp_path, "print('app')")
        async with machine(tmp_path) as m:
            run = await m.run_image(folder, entry_point=entry_point, command=command)
            assert await run.exit_code() == 0, run.happened
            assert run.lines == [expected]

    asyncio.run(scenario())


def test_program_that_is_nowhere_cannot_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = image_folder(tmp_path, "")
        async with machine(tmp_path) as m:
            with pytest.raises(CannotStartContainerError, match="no-such-program"):
                await m.run_image(folder, command=("no-such-program", "--flag"))

    asyncio.run(scenario())


def test_every_line_is_logged_before_the_exit(tmp_path: Path) -> None:
    program = """
import sys
print("one", flush=True); print("two", file=sys.stderr, flush=True)
sys.stdout.write("x" * 40000 + "\\n"); sys.stdout.write("no newline"); sys.exit(3)
"""

    async def scenario() -> None:
        async with machine(tmp_path) as m:
            run = await m.run(program)
            assert run.happened == []  # nothing is reported before start has returned
            assert await run.exit_code() == 3
            assert run.lines[:2] == ["one", "two"]
            assert [len(line) for line in run.lines[2:]] == [
                16384,
                16384,
                40000 - 2 * 16384,
                len("no newline"),
            ]

    asyncio.run(scenario())


# os.write: print is not to be called in the middle of another print.
HANDLES_SIGTERM = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"stopping\\n"), sys.exit(7)))
signal.signal(signal.SIGUSR1, lambda *_: (os.write(1, b"asked nicely\\n"), sys.exit(8)))
os.write(1, b"ready\\n")
time.sleep(600)
"""
SLEEPS = "import time; print('ready', flush=True); time.sleep(600)"


@pytest.mark.parametrize(
    ("program", "stop_signal", "expected"),
    [
        (HANDLES_SIGTERM, "", ["ready", "stopping", 7]),
        (HANDLES_SIGTERM, "SIGUSR1", ["ready", "asked nicely", 8]),
        (HANDLES_SIGTERM, "10", ["ready", "asked nicely", 8]),
        (SLEEPS, "", ["ready", 143]),
    ],
    ids=["its-own-exit-code", "the-images-stopsignal", "stopsignal-as-a-number", "ended-by-the-signal"],
)
def test_stop(tmp_path: Path, program: str, stop_signal: str, expected: list[str | int]) -> None:
    if stop_signal.isdigit():
        stop_signal = str(int(signal.SIGUSR1))

    async def scenario() -> None:
        async with machine(tmp_path) as m:
            run = await m.run(program, stop_signal=stop_signal)
            await run.line("ready")
            await m.runtime.stop(run.id)
            await run.exit_code()
            assert run.happened == expected
            await m.runtime.stop(run.id)  # it is gone: nothing happens
            await m.runtime.kill(run.id)

    asyncio.run(scenario())


FORKS = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
if os.environ["COLOUR"] == "red":
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("colour", "code"), [("red", 137), ("blue", 0)], ids=["killed", "first-process-ends"]
)
def test_nothing_of_a_container_survives_it(tmp_path: Path, colour: str, code: int) -> None:
    async def scenario() -> None:
        async with machine(tmp_path) as m:
            run = await m.run(FORKS, colour=colour)
            await until(lambda: bool(run.lines), lambda: run.happened)
            if colour == "red":
                await m.runtime.kill(run.id)
            assert await run.exit_code() == code
            await until(lambda: not alive(int(run.lines[0])), lambda: run.happened)

    asyncio.run(scenario())


def test_exit_is_seen_though_a_process_left_the_group_and_holds_the_output(tmp_path: Path) -> None:
    program = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
"""

    async def scenario() -> None:
        async with machine(tmp_path) as m:
            run = await m.run(program)
            try:
                assert await run.exit_code() == 0
            finally:
                os.kill(int(run.lines[0]), signal.SIGKILL)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("host", "reached_at"), [("0.0.0.0", ADDRESS), ("127.0.0.1", LOOPBACK), ("localhost", LOOPBACK)]
)
def test_who_listens_on_loopback_is_reached_from_inside_only(
    tmp_path: Path, host: str, reached_at: str
) -> None:
    async def scenario() -> None:
        async with machine(tmp_path) as m:
            run = await m.run_image(image_folder(tmp_path, LISTEN), environment={"HOST": host})
            await run.line("listening")
            assert answering([ADDRESS, LOOPBACK, loopback_of(OTHER_ADDRESS)], PORT) == {reached_at}
            assert await m.runtime.probe(run.id, ["CMD", "python3", "-c", CONNECT], DEADLINE_SECONDS)

    asyncio.run(scenario())


def test_tasks_listen_on_the_same_port_of_their_own_addresses(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with machine(tmp_path) as m:
            for address in (ADDRESS, OTHER_ADDRESS):
                run = await m.run(LISTEN, address=address)
                await run.line("listening")
            for address in (ADDRESS, OTHER_ADDRESS):
                socket.create_connection((address, PORT), timeout=5).close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("command", "timeout_seconds", "healthy"),
    [
        (["CMD", "python3", "-c", CONNECT], 20, True),
        (["CMD-SHELL", f'python3 -c "{CONNECT}" || exit 1'], 20, True),
        (["CMD", "python3", "-c", CONNECT.replace(f"{PORT}", f"{PORT + 1}")], 20, False),
        (["CMD-SHELL", "exit 3"], 20, False),
        (["CMD-SHELL", 'test "$COLOUR" = red'], 20, True),
        (["CMD", "no-such-program"], 20, False),
        (["CMD-SHELL", "sleep 600"], 0.2, False),
    ],
    ids=[
        "listens",
        "listens-in-a-shell",
        "silent-port",
        "exit-code",
        "environment",
        "no-program",
        "too-slow",
    ],
)
def test_probe(tmp_path: Path, command: list[str], timeout_seconds: float, *, healthy: bool) -> None:
    async def scenario() -> None:
        async with machine(tmp_path) as m:
            run = await m.run(LISTEN)
            await run.line("listening")
            assert await m.runtime.probe(run.id, command, timeout_seconds) is healthy
            await m.runtime.kill(run.id)
            await run.exit_code()
            assert not await m.runtime.probe(run.id, ["CMD-SHELL", "true"], timeout_seconds)

    asyncio.run(scenario())


def test_close_ends_containers_and_probes(tmp_path: Path) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"

    async def scenario() -> None:
        async with machine(tmp_path) as m:
            runs = [await m.run(program) for _ in range(3)]
            for run in runs:
                await until(lambda run=run: bool(run.lines), lambda run=run: run.happened)  # type: ignore[misc]
            probe = asyncio.create_task(
                m.runtime.probe(runs[0].id, ["CMD-SHELL", "touch /tmp/started; sleep 600"], 600)
            )
            await until(
                lambda: any(tmp_path.glob(f"**/{runs[0].id}/**/started")), lambda: "probe not started"
            )
            await m.runtime.close()
            assert [run.happened[-1] for run in runs] == [137, 137, 137]
            assert not any(alive(int(run.lines[0])) for run in runs)
            assert await probe is False

    asyncio.run(scenario())


def test_containers_die_when_the_lab_is_killed(tmp_path: Path) -> None:
    folder = image_folder(tmp_path, "import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    program = f"""
import asyncio
from pathlib import Path
from lab.containers.process_runtime import ProcessRuntime
async def main():
    runtime = ProcessRuntime(Path({str(tmp_path)!r}))
    await runtime.start("task1", Path({str(folder)!r}), address={ADDRESS!r}, on_exit=print,
                        log=lambda line: print(line, flush=True))
    await asyncio.Event().wait()
asyncio.run(main())
"""
    lab = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
    )
    with lab:
        assert lab.stdout is not None
        pid = int(lab.stdout.readline())
        assert alive(pid)
        lab.kill()
    asyncio.run(until(lambda: not alive(pid), lambda: f"{pid} is alive"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack(tmp_path_factory.mktemp("ministack")) as host:
        boto3.client(
            "ecr",
            endpoint_url=f"http://{host}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        ).create_repository(repositoryName="web")
        yield host


def test_pulled_image_runs_and_is_fetched_once(registry: str, tmp_path: Path) -> None:
    image = build_image({"app.py": b"print('pulled')"}, command=["python", "/app.py"])
    digest = push_index(registry, "web", "latest", build_index([image], attestations=True))

    async def scenario() -> None:
        async with machine(tmp_path) as m:
            folders = await asyncio.gather(*(m.runtime.pull(registry, "web", digest) for _ in range(4)))
            assert len(set(folders)) == 1
            assert await m.runtime.pull("127.0.0.1:1", "web", digest) == folders[0]
            assert len(list((tmp_path / "images").iterdir())) == 1  # no half of one stays behind
            run = await m.run_image(folders[0])
            assert await run.exit_code() == 0
            assert run.lines == ["pulled"]

    asyncio.run(scenario())


def test_hello_app_runs_as_a_task_and_stops_with_0(registry: str, tmp_path: Path) -> None:
    digest = push_image(
        registry, "web", "hello", hello_app_image("42", environment={"DRAIN_SECONDS": "0", "PORT": str(PORT)})
    )

    async def scenario() -> None:
        async with machine(tmp_path) as m:
            run = await m.run_image(await m.runtime.pull(registry, "web", digest))
            await until(lambda: any("serving" in line for line in run.lines), lambda: run.happened)
            connection = http.client.HTTPConnection(ADDRESS, PORT, timeout=DEADLINE_SECONDS)
            connection.request("GET", "/")
            assert b"version 42" in connection.getresponse().read()
            connection.close()
            assert await m.runtime.probe(run.id, ["CMD-SHELL", f'python3 -c "{CONNECT}"'], DEADLINE_SECONDS)
            await m.runtime.stop(run.id)
            assert await run.exit_code() == 0

    asyncio.run(scenario())


def test_pull_that_fails_leaves_nothing_and_may_succeed_later(registry: str, tmp_path: Path) -> None:
    image = build_image({"app.py": b"print('later')"}, command=["python", "/app.py"])

    async def scenario() -> None:
        async with machine(tmp_path) as m:
            for host in (registry, "127.0.0.1:1"):
                with pytest.raises(CannotPullContainerError, match=image.digest):
                    await m.runtime.pull(host, "web", image.digest)
            assert list((tmp_path / "images").iterdir()) == []
            push_image(registry, "web", "later", image)
            assert await m.runtime.pull(registry, "web", image.digest)
            assert len(list((tmp_path / "images").iterdir())) == 1

    asyncio.run(scenario())


def test_addresses_are_in_use_once_and_come_back_last() -> None:
    addresses = Addresses(ipaddress.IPv4Network("127.96.8.0/29"))  # .0 is never given
    given = [addresses.allocate() for _ in range(7)]
    assert sorted(given) == [f"127.96.8.{n}" for n in range(1, 8)]
    with pytest.raises(RuntimeError, match="in use"):
        addresses.allocate()
    addresses.release(given[2])
    addresses.release(given[5])
    assert addresses.allocate() == given[2]
    addresses.release(given[2])
    assert addresses.allocate() == given[5]  # and not the one that was just released


def test_machine_without_such_addresses_is_told_so() -> None:
    with pytest.raises(RuntimeError, match=r"does not answer on 192\.0\.2\."):
        Addresses(ipaddress.IPv4Network("192.0.2.0/24")).allocate()
