"""Every bad input that is known, with the sentence it gets: `python -m benchmarks.bad_input [TOPIC …]`.

A topic is a file of benchmarks/bad_inputs with a list `CASES`. Each case runs in a process and a folder of its own, within
limits of time and memory. Exit code 1 where one of them ends in a traceback, hangs, takes too much, or is told something else.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import multiprocessing
import pkgutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.memory import peak
from ganaudit.errors import AuditError, GanauditError, ImageError

SECONDS, MEGABYTES = 120.0, 1500.0
"""Limits of one case, the imports not counted."""
PROCESSES = 2
ONCE = ("flows.command_line", "ganaudit.auditing.run", "ganaudit.studies.census.study", "ganaudit.studies.inversion.study",
        "ganaudit.village.render", "ganaudit.report", "scipy.stats", "torchvision", "pandas")  # fmt: skip
"""Imported once, and not in every process of a case."""
CODES = {ImageError: 3, AuditError: 1, GanauditError: 2}


@dataclass(frozen=True)
class BadInput:
    """One bad input. call: makes it in an empty folder and gives it to ganaudit. contains: words that its sentence must hold.

    code: the exit code; 0 where the input is odd and right. quick: whether it is one of the tests, too.
    """

    name: str
    call: Callable[[Path], Any]
    contains: tuple[str, ...] = ()
    code: int = 2
    quick: bool = True


@dataclass(frozen=True)
class Outcome:
    """What came of a case. problem: why it is not as it should be, None where it is."""

    code: int | None
    sentence: str
    seconds: float = 0.0
    megabytes: float = 0.0
    problem: str | None = None


def outcome(case: BadInput, folder: Path) -> Outcome:
    """Runs a case here, in `folder`."""
    begun, before, printed = time.monotonic(), peak(), io.StringIO()
    try:
        with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
            answer = case.call(folder)
        code, sentence = answer if isinstance(answer, tuple) else (0, "")
    except GanauditError as error:
        code, sentence = next(code for kind, code in CODES.items() if isinstance(error, kind)), str(error)
    except Exception as error:  # that is what is looked for
        return Outcome(None, f"{type(error).__name__}: {error}"[:300], time.monotonic() - begun, problem="traceback")
    if "Traceback (" in printed.getvalue():
        return Outcome(code, printed.getvalue()[-300:], time.monotonic() - begun, problem="traceback")
    result = Outcome(code, sentence, time.monotonic() - begun, max(0.0, peak() - before))
    return replace(result, problem=_problem(case, result))


def command(*arguments: object) -> tuple[int, str]:
    """What a command line comes to, as a case's answer: exit code, and what it said on stderr."""
    from flows.command_line import main

    argv, err = sys.argv, io.StringIO()
    sys.argv = ["ganaudit", *map(str, arguments)]
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            main()
        code: Any = 0
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.argv = argv
    return int(code), err.getvalue().strip().removeprefix("error: ")


def _problem(case: BadInput, found: Outcome) -> str | None:
    if found.code != case.code:
        return f"exit code {found.code}, not {case.code}"
    missing = [words for words in case.contains if words not in found.sentence]
    if missing:
        return f"its sentence does not hold {missing[0]!r}"
    if found.seconds > SECONDS:
        return f"{found.seconds:.0f} s"
    return f"{found.megabytes:,.0f} MB" if found.megabytes > MEGABYTES else None


def apart(case: BadInput) -> Outcome:
    """Runs a case in a process of its own, which is ended after SECONDS."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=lambda: there.send(outcome(case, Path(folder))))
        process.start()
        there.close()
        try:
            return here.recv() if here.poll(SECONDS) else Outcome(None, "", SECONDS, problem="hangs")
        except EOFError:
            process.join()
            return Outcome(None, "", problem=f"its process died ({process.exitcode})")
        finally:
            process.kill()
            process.join()


def topics() -> dict[str, Sequence[BadInput]]:
    """All cases, by topic."""
    from benchmarks import bad_inputs

    names = sorted(module.name for module in pkgutil.iter_modules(bad_inputs.__path__))
    return {name: importlib.import_module(f"benchmarks.bad_inputs.{name}").CASES for name in names}


def line(topic: str, case: BadInput, found: Outcome) -> str:
    """One row of the table: what, its exit code, seconds and megabytes, and the sentence in one line."""
    said = " ".join((found.sentence if found.problem is None else f"** {found.problem} ** {found.sentence}").split())
    code = "-" if found.code is None else str(found.code)
    return f"{topic:12} {case.name:44} {code:>2} {found.seconds:5.1f} s {found.megabytes:6,.0f} MB  {said}"


def main(wanted: Iterable[str]) -> int:
    """Prints the table; returns the exit code."""
    known = topics()
    cases = [(topic, case) for topic in list(wanted) or list(known) for case in known[topic]]
    for module in ONCE:
        importlib.import_module(module)
    wrong: int = 0
    with ThreadPoolExecutor(PROCESSES) as pool:
        for (topic, case), result in zip(cases, pool.map(lambda each: apart(each[1]), cases), strict=True):
            wrong += int(result.problem is not None)
            print(line(topic, case, result), flush=True)
    print(f"\n{len(cases) - wrong} of {len(cases)} bad inputs get what they should.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
