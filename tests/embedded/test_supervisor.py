from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from app.embedded.supervisor import CannotListen, ChildSpec, _Child, bind

from .conftest import PATIENCE_S, Process, RunPython, Watch, line_of

SUPERVISOR = """
import sys
from datetime import timedelta
from app.embedded.supervisor import ChildSpec, Supervisor, bind
seconds, *programs = sys.argv[1:]
children = []
for n, text in enumerate(programs):
    listener = bind("127.0.0.1", 0)
    print(listener.getsockname()[1], flush=True)
    children.append(
        ChildSpec(name=f"child{n}", argv=[sys.executable, "-c", text], env={"WORD": f"word{n}"},
                  sockets=[listener])
    )
sys.exit(Supervisor(children, stop_within=timedelta(seconds=float(seconds))).run())
"""
# Answers each connection with its process number and its word.
# A signal between two steps of the interpreter is heard when `accept` returns: so it does, often.
ANSWERER = """
import os
from app.embedded.supervisor import die_with_parent, inherited_sockets
die_with_parent()
[listener] = inherited_sockets()
listener.settimeout(0.5)
while True:
    try:
        connection, _ = listener.accept()
    except TimeoutError:
        continue
    with connection:
        connection.sendall(f"{os.getpid()} {os.environ['WORD']}".encode())
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ANSWERER
ORDERLY = """
import os, pathlib, signal, sys
def end(*_):
    pathlib.Path(os.environ["NOTE"]).write_text("ended in order")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
"""
# Starts a process of its own, whose number is its word.
FATHER = """
import os, subprocess, sys
program = [sys.executable, "-c", "import time; time.sleep(600)"]
os.environ["WORD"] = str(subprocess.Popen(program, stdout=subprocess.DEVNULL).pid)
"""


def call(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def heard(connection: socket.socket) -> tuple[int, str]:
    with connection, connection.makefile() as lines:
        pid, word = lines.read().split()
        return int(pid), word


def answer(port: int) -> tuple[int, str]:
    return heard(call(port))


def until(process: Process, mark: str) -> None:
    """Read what `process` logs until it logs `mark`."""
    while mark not in (line := line_of(process)):
        assert line, f"{mark} was not logged"


def test_connections_wait_while_a_killed_child_restarts(
    run_python: RunPython, until_gone: Watch
) -> None:
    supervisor = run_python(SUPERVISOR, 60, ANSWERER)
    port = int(line_of(supervisor))
    before, _ = answer(port)
    for _ in range(2):
        ended = until_gone(before)
        # While the supervisor is halted nobody can start the child again.
        supervisor.send_signal(signal.SIGSTOP)
        os.kill(before, signal.SIGKILL)
        assert ended()
        waiting = [call(port) for _ in range(50)]
        supervisor.send_signal(signal.SIGCONT)
        answers = {heard(connection) for connection in waiting}
        [(after, word)] = answers
        assert after != before
        assert word == "word0"
        before = after
    assert supervisor.poll() is None


def test_one_child_is_not_disturbed_by_the_end_of_another(
    run_python: RunPython, until_gone: Watch
) -> None:
    supervisor = run_python(SUPERVISOR, 60, ANSWERER, ANSWERER)
    ports = [int(line_of(supervisor)) for _ in range(2)]
    (first, _), second = map(answer, ports)
    ended = until_gone(first)
    os.kill(first, signal.SIGKILL)
    assert ended()
    assert answer(ports[0])[0] != first
    assert answer(ports[1]) == second
    assert second[1] == "word1"


def test_children_are_gone_when_the_supervisor_is_killed(
    run_python: RunPython, until_gone: Watch
) -> None:
    supervisor = run_python(SUPERVISOR, 60, ANSWERER, STUBBORN)
    ports = [int(line_of(supervisor)) for _ in range(2)]
    ended = [until_gone(answer(port)[0]) for port in ports]
    supervisor.kill()
    assert all(wait() for wait in ended)
    for port in ports:
        bind("127.0.0.1", port).close()


def test_a_child_whose_supervisor_is_already_gone_ends(run_python: RunPython) -> None:
    program = "from app.embedded import supervisor as s; s.die_with_parent(); print('alive')"
    child = run_python(program, env={"AUDIATUR_SUPERVISOR_PID": "1"})
    assert child.wait(PATIENCE_S) == 1
    assert line_of(child) == ""


def test_a_program_started_by_hand_does_without_a_supervisor(run_python: RunPython) -> None:
    program = "from app.embedded import supervisor as s; s.die_with_parent(); print(s.inherited_sockets())"  # noqa: E501 - one program, one line.
    assert line_of(run_python(program)) == "[]"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_is_orderly_and_leaves_nothing(
    run_python: RunPython, until_gone: Watch, tmp_path: Path, number: signal.Signals
) -> None:
    note = tmp_path / "note"
    program = ORDERLY + FATHER + ANSWERER
    supervisor = run_python(SUPERVISOR, 60, program, env={"NOTE": str(note)})
    port = int(line_of(supervisor))
    child, left = answer(port)
    ended = [until_gone(child), until_gone(int(left))]
    supervisor.send_signal(number)
    assert supervisor.wait(PATIENCE_S) == 0
    assert all(wait() for wait in ended)
    assert note.read_text() == "ended in order"


def test_what_does_not_end_by_the_deadline_is_killed(
    run_python: RunPython, until_gone: Watch
) -> None:
    supervisor = run_python(SUPERVISOR, 0.3, STUBBORN)
    ended = until_gone(answer(int(line_of(supervisor)))[0])
    supervisor.terminate()
    assert supervisor.wait(PATIENCE_S) == 1
    assert ended()


def test_a_second_interrupt_kills_at_once(run_python: RunPython, until_gone: Watch) -> None:
    supervisor = run_python(SUPERVISOR, 10 * PATIENCE_S, STUBBORN)
    ended = until_gone(answer(int(line_of(supervisor)))[0])
    supervisor.send_signal(signal.SIGINT)
    until(supervisor, "supervisor.stopping")
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(PATIENCE_S) == 128 + signal.SIGINT
    assert ended()


def test_a_stop_does_not_wait_for_a_child_that_is_not_running(run_python: RunPython) -> None:
    supervisor = run_python(SUPERVISOR, 10 * PATIENCE_S, "raise SystemExit(3)")
    until(supervisor, "child.ended")
    supervisor.terminate()
    assert supervisor.wait(PATIENCE_S) == 0


def test_restarts_come_ever_later_but_never_later_than_ten_seconds() -> None:
    child = _Child(ChildSpec(name="missing", argv=["/nonexistent/program"]))
    delays = []
    for _ in range(8):
        delays.append(child._delay_s)
        child.start()
        assert child.process is None
    assert delays == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])


def test_a_child_that_lived_long_starts_again_soon() -> None:
    child = _Child(ChildSpec(name="brief", argv=[sys.executable, "-c", ""]))
    child._delay_s = 10
    child.start()
    child._started -= 31
    assert child.process is not None
    os.waitid(os.P_PID, child.process.pid, os.WEXITED | os.WNOWAIT)
    child.reap()
    assert child.process is None
    assert child._delay_s == pytest.approx(0.4)


def test_an_address_that_cannot_be_listened_on_is_refused_clearly() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CannotListen) as caught:
            bind("127.0.0.1", port)
    assert str(caught.value) == f"port {port} is in use: choose another with --port"
    with pytest.raises(CannotListen, match="is not of this machine: choose another with --host"):
        bind("192.0.2.1", 0)
    with pytest.raises(CannotListen, match="is no address"):
        bind("not an address", 0)


@pytest.mark.parametrize(("told", "given"), [(None, "2"), ("4", "4")])
def test_threads_of_a_child_share_their_memory_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str | None, given: str
) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    if told is not None:
        monkeypatch.setenv("MALLOC_ARENA_MAX", told)
    said = tmp_path / "said"
    text = f"import os; open({str(said)!r}, 'w').write(os.environ['MALLOC_ARENA_MAX'])"
    child = _Child(ChildSpec(name="child", argv=[sys.executable, "-c", text]))
    child.start()
    assert child.process is not None
    child.process.wait(PATIENCE_S)
    assert said.read_text() == given
