"""The zygote: orders come in, a guest is forked for each, and how it died goes out. It never runs a tool's code.

It has one thread, entered its namespaces once, and holds what all its guests have in common: the interpreter with
modules loaded, the root, the prepared layers of the wall.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import select
import sys

from toolwright.sandbox import guest, mounts, network, syscalls, wall
from toolwright.sandbox.control import Control, Reply
from toolwright.sandbox.preloading import preload, reseed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_M_ARENA_MAX = -8
_REHEARSALS = 24
"""After so many the interpreter has made its quicker forms of all the code on the way of a call."""
_GONE = select.EPOLLHUP | select.EPOLLERR


class _Born:
    """A guest that lives: its pid here, a descriptor of it, and whom to tell of its death."""

    __slots__ = ("end", "pid", "reply")

    def __init__(self, pid: int, end: int, reply: Reply) -> None:
        self.pid = pid
        self.end = end
        self.reply = reply


def serve(control: Control, plan: dict[str, Any], codec: bytes, proc: int) -> NoReturn:
    """Serve orders on *control* until it closes. Raises OSError if this machine does not give what it takes."""
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)  # an arena for each thread would eat a guest's address space
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # What is made ahead, and what dies, must not take the processor from the call that is under way.
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.environ.clear()
    os.environ.update(plan["environment"])
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    loaded = preload(plan["preload"], plan["packages"], network=plan["network"])
    guest.prepare(codec)
    for _ in range(_REHEARSALS):
        guest.rehearse()
    zygote = _Zygote(control, plan, proc)
    gc.collect()
    gc.freeze()
    control.tell(stage="ready", loaded=loaded)
    try:
        zygote.run()
    except EOFError:
        zygote.end()


class _Zygote:
    def __init__(self, control: Control, plan: dict[str, Any], proc: int) -> None:
        self._control = control
        self._plan = plan
        self._proc = proc
        self._full = plan["profile"] == "full"
        self._wall = wall.Wall(plan, proc)
        self._home = network.Home(proc) if self._full else None
        self._pids = os.open("self/ns/pid", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc) if self._full else -1
        self._poll = select.epoll()
        self._poll.register(control.fileno(), select.EPOLLIN)
        self._by_end: dict[int, _Born] = {}
        self._by_reply: dict[int, _Born] = {}

    def run(self) -> NoReturn:
        """Until the keeper goes."""
        control = self._control.fileno()
        while True:
            # One at a time: a number that is closed on one event may be another's before the next is looked at.
            for descriptor, _ in self._poll.poll(maxevents=1):
                if descriptor == control:
                    order, beside = self._control.take()
                    for reply in beside:  # none, if this process has no descriptor left: the keeper sees it fail
                        self._answer(order, Reply(reply))
                elif descriptor in self._by_end:
                    self._bury(self._by_end[descriptor])
                elif descriptor in self._by_reply:  # its keeper has let it go
                    self._forget(self._by_reply[descriptor])

    def end(self) -> NoReturn:
        """The keeper has gone: so does everything here, and nobody else has to wait for it."""
        for born in self._by_end.values():
            syscalls.call("pidfd_send_signal", born.end, syscalls.SIGKILL, None, 0)
        for born in self._by_end.values():
            os.wait4(born.pid, 0)
        os._exit(0)

    def _answer(self, order: dict[str, Any], reply: Reply) -> None:
        try:
            self._make(self._plan | order, reply)
        except Exception as error:  # noqa: BLE001 - one guest is not made, and all the others go on
            reply.tell({"why": str(error) or type(error).__name__})
            reply.close()

    def _make(self, order: dict[str, Any], reply: Reply) -> None:
        opened: list[int] = []  # what this process lets go of again, whatever happens
        try:
            given = [*os.pipe(), *os.pipe(), *os.pipe()]
            opened += given
            items, put_items, answers, put_answers, output, put_output = given
            for ours in (put_items, answers, output):
                os.set_blocking(ours, False)
            work = -1
            if self._full:
                work = mounts.work_folder(order)
                opened.append(work)
            self._wall.prepare(order)
            listening = self._listen(order)
            opened += listening
            born = self._fork(order, (items, put_answers, put_output, work))
            end = syscalls.call("pidfd_open", born, 0)
            handed = [put_items, answers, output, end, *([work] if self._full else []), *listening]
            reply.tell({"work": self._full}, handed)
            self._know(_Born(born, end, reply))
        finally:
            for one in opened:
                os.close(one)

    def _listen(self, order: dict[str, Any]) -> list[int]:
        return network.listeners(order["listen"]) if order["listen"] else []

    def _fork(self, order: dict[str, Any], descriptors: tuple[int, ...]) -> int:
        try:
            if self._full:
                # A process that has said that its children are to be in a new namespace must take that back first.
                syscalls.setns(self._pids, syscalls.CLONE_NEWPID)
                syscalls.unshare(syscalls.CLONE_NEWPID)
            born = os.fork()
            if born == 0:
                self._be_guest(order, *descriptors)
            return born
        finally:
            if order["listen"] and self._home is not None:
                self._home.enter()

    def _know(self, born: _Born) -> None:
        self._by_end[born.end] = born
        self._by_reply[born.reply.fileno()] = born
        self._poll.register(born.end, select.EPOLLIN)
        self._poll.register(born.reply.fileno(), _GONE)

    def _bury(self, born: _Born) -> None:
        _, status, used = os.wait4(born.pid, 0)
        cpu = used.ru_utime + used.ru_stime
        born.reply.tell({"status": status, "cpu": cpu, "peak": used.ru_maxrss * 1024})
        del self._by_end[born.end]
        if self._by_reply.pop(born.reply.fileno(), None) is not None:
            self._poll.unregister(born.reply.fileno())
        self._poll.unregister(born.end)
        os.close(born.end)
        born.reply.close()

    def _forget(self, born: _Born) -> None:
        del self._by_reply[born.reply.fileno()]
        self._poll.unregister(born.reply.fileno())
        try:
            syscalls.call("pidfd_send_signal", born.end, syscalls.SIGKILL, None, 0)
        except ProcessLookupError:
            return

    def _be_guest(self, order: dict[str, Any], items: int, answers: int, output: int, work: int) -> NoReturn:
        code = 1
        try:
            reseed()
            packages = self._wall.close_in(order, work, (items, answers, output))
            sys.path += packages  # not before: whatever is looked for from now on may be found among them
            if order["rehearse"]:
                guest.rehearse()
            guest.greet(wall.ANSWERS)
            code = 70
            guest.serve(wall.ITEMS, wall.ANSWERS)
            code = 0
        except BaseException as error:  # noqa: BLE001 - whatever it is, nothing untrusted may run after it
            if code == 1:
                guest.excuse(max(self._wall.answers, answers), error)
        os._exit(code)
