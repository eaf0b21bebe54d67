"""A process that has imported everything and forks a server for each that is asked for.

Importing aiogram takes longer than all the rest of a start, and the suite starts dozens of servers. A forked one is a
process of its own: it has its own settings, folder, signals and end.
"""

import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

ROOT: Final = Path(__file__).parents[2]
LARGEST: Final = 1 << 20


@dataclass
class Born:
    """A process of the nursery. `_end` becomes readable with its exit code (minus the signal that killed it)."""

    pid: int
    _end: int
    _code: int | None = None

    @property
    def returncode(self) -> int | None:
        """None while it lives."""
        if self._code is None and (told := _read(self._end)):
            self._code = int(told)
            os.close(self._end)
        return self._code

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 16)
    except BlockingIOError:
        return b""


class Nursery:
    """The near end, in the process of the tests."""

    def __init__(self) -> None:
        self._line, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CIPO_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.nursery", str(far.fileno())],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=[far.fileno()],
        )
        far.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()
        self._process.wait()

    def start(self, arguments: list[str], folder: Path, settings: dict[str, str], out: IO[Any], err: IO[Any]) -> Born:
        """The tests' runner with these arguments, in that folder, with these settings for its environment."""
        end, told = os.pipe()
        os.set_blocking(end, False)
        order = json.dumps({"arguments": arguments, "folder": str(folder), "settings": settings})
        socket.send_fds(self._line, [order.encode()], [out.fileno(), err.fileno(), told])
        os.close(told)
        return Born(int(self._line.recv(LARGEST)), end)


def main(line: socket.socket) -> None:
    """The far end: forks on demand and tells of each end, until nobody is at the near one."""
    from tests.e2e import runner

    gc.freeze()  # what is shared stays shared
    woken, waker = socket.socketpair()
    for each in (woken, waker):
        each.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    ends: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        for each in (line, woken):
            selector.register(each, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                woken.recv(4096)
                _tell_ends(ends)
            if line in ready:
                order, descriptors, _, _ = socket.recv_fds(line, LARGEST, 3)
                if not order:
                    return
                out, err, told = descriptors
                if (pid := os.fork()) == 0:
                    for each in (line, woken, waker):
                        each.close()
                    _live(runner.main, json.loads(order), out, err)
                for descriptor in (out, err):
                    os.close(descriptor)
                ends[pid] = told
                line.send(str(pid).encode())


def _tell_ends(ends: dict[int, int]) -> None:
    for pid in list(ends):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            told = ends.pop(pid)
            os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(told)


def _live(run: Any, order: dict[str, Any], out: int, err: int) -> None:
    """In the child, which never returns from here."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(order["folder"])
        os.environ.update(order["settings"])
        code = run(order["arguments"])
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
