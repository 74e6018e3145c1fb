"""Commands in processes of their own, to be stopped or killed: copies of a process that has imported what all of them need."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

IMPORTING = """
import json, os, sys
import flows.audit, flows.command_line, ganaudit.report, ganaudit.studies.inversion.study, ganaudit.studies.steering.study
from flows.__main__ import main

for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), flush=True)
        continue
    child = os.fork()
    if not child:
        os.setsid()
        os.chdir(asked["folder"])
        for number, name in enumerate((os.devnull, asked["out"], asked["err"])):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY), number)
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = ["ganaudit", *asked["arguments"]]
        sys.exit(main())
    print(child, flush=True)
"""


class Ready:
    """The process that has imported everything. It runs no thread of its own, so that its copies are whole."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", IMPORTING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def ask(self, **asked: Any) -> int:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


class Launched:
    """One command, as `subprocess.Popen` has it, that writes into two files."""

    def __init__(self, ready: Ready, folder: Path, arguments: list[str], environment: Mapping[str, str]) -> None:
        self._ready, self._said = ready, (folder / "said.out", folder / "said.err")
        out, err = map(str, self._said)
        asked = {"folder": str(folder), "out": out, "err": err, "environment": dict(environment)}
        self.pid = ready.ask(arguments=arguments, **asked)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE:
            self.returncode = self._ready.ask(wait=self.pid)
        return self.returncode

    def send_signal(self, word: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, word)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 60.0) -> tuple[str, str]:
        """What it said, when it has ended. Raises psutil.TimeoutExpired where it does not in time."""
        if self.returncode is None:
            _wait(psutil.Process(self.pid), timeout)
            self.returncode = self._ready.ask(wait=self.pid)
        out, err = (path.read_text() for path in self._said)
        return out, err


def _wait(process: psutil.Process, timeout: float) -> None:
    limit = time.monotonic() + timeout
    while process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > limit:
            raise psutil.TimeoutExpired(timeout, process.pid)
        time.sleep(0.02)
