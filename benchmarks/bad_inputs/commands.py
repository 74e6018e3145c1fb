"""Command lines that miss something, and surroundings that a command has to bear: streams, proxies, Prefect's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.bad_input import BadInput, command

ROOT = Path(__file__).parents[2]


def usage(*arguments: str, contains: tuple[str, ...]) -> BadInput:
    """A command line that is refused in one sentence."""

    def call(folder: Path) -> tuple[int, str]:
        code, said = command(*arguments)
        assert len(said.splitlines()) == 1, said
        return code, said

    return BadInput(" ".join(arguments)[:40] or "nothing", call, contains)


def shell(line: str, *contains: str, code: int = 0, **environment: str | None) -> BadInput:
    """A line of bash in a process of its own; $G is ganaudit. What it says on stderr is the sentence."""
    return BadInput(line[:44], _shell(line, environment), contains, code, quick=False)


def _shell(line: str, environment: dict[str, str | None]) -> Callable[[Path], tuple[int, str]]:
    def call(folder: Path) -> tuple[int, str]:
        merged: dict[str, str | None] = {
            **os.environ, "G": f"{sys.executable} -m flows",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "PREFECT_HOME": str(folder / "prefect"), "HOME": str(folder),
            **{name: None if value is None else value.format(folder=folder) for name, value in environment.items()},
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False,
            env={name: value for name, value in merged.items() if value is not None},
        )  # fmt: skip
        said = done.stderr.strip().removeprefix("error: ")
        assert "Traceback" not in said and "Exception ignored" not in said, said
        return done.returncode, said

    return call


_LISTED = "$G list generators"
_PREFECT = (
    (
        'printf \'name: a\\nparser: {{kind: unet, weights: "builtin:village"}}\\nreal: {{name: r, kind: village}}\\n'
        "generators: [{{name: g, kind: village}}]\\nrun: {{runner: dask}}\\n' > a.yaml; $G run a.yaml"
    )
    .replace("{{", "{")
    .replace("}}", "}")
)
"""A run that asks for Prefect's settings before anything else."""

CASES = [
    usage("rnu", contains=("No such command 'rnu'", "'run'", "calibrate")),
    usage("xyz", contains=("No such command", "demo")),
    usage("run", contains=("Missing argument", "audit")),
    usage("sql", contains=("Missing argument", "query")),
    usage("runs", "--jsn", contains=("No such option", "--json")),
    usage("--vresion", contains=("No such option", "--version")),
    usage("runs", "--limit", "0", contains=("--limit", "1")),
    usage("runs", "--limit", "many", contains=("--limit", "integer")),
    usage("runs", "--store", contains=("--store", "argument")),
    usage("list", "generators", "x", contains=("extra", "x")),
    usage("runs", "--store", "a", "--store", "b", contains=("--store", "2 times")),
    usage("sql", "SELECT 1", "--format=csv", "--format", "json", contains=("--format", "2 times")),
    usage("train", "village", "--minutes", "inf", contains=("--minutes", "finite")),
    usage("train", "village", "--minutes", "nan", contains=("--minutes", "finite")),
    usage("train", "village", "--seed", "99999999999999999999999", contains=("--seed",)),
    usage("compact", "--grace", "nan", contains=("--grace",)),
    usage("compact", "--grace", "inf", contains=("--grace",)),
    usage("prune", "--keep-days", "1e300", contains=("--keep-days",)),
    usage("prune", "--keep", "-1", contains=("--keep",)),
    usage("invert", "builtin:village-progan", "p", "--steps", "-1", contains=("--steps",)),
    usage("invert", "builtin:village-progan", "p", "--penalty", "nan", contains=("--penalty",)),
    usage("steer", "builtin:village-progan", contains=("--edit zoom", "--walk")),
    usage("steer", "builtin:village-progan", "--edit", "zoon", contains=("zoon", "did you mean zoom")),
    usage("steer", "builtin:village-progan", "--edit", "zoom", "--space", "w", contains=("'w'", "it has z")),
    usage("steer", "builtin:village-progan", "--edit", "zoom", "--reach", "nan", contains=("--reach", "finite")),
    usage("steer", "builtin:village-progan", "--edit", "zoom", "--steps", "0", contains=("--steps is 0",)),
    usage("calibrate", "--replicates", "99999999999", contains=("--replicates",)),
    # streams
    shell(f"{_LISTED} >&-"),
    shell(f"{_LISTED} 2>&-"),
    shell(f"{_LISTED} <&- >&- 2>&-"),
    shell(f"{_LISTED} 2>/dev/full"),
    shell(f"{_LISTED} >/dev/full", "standard output", code=1),
    shell(f"{_LISTED} --json >/dev/full", "standard output", code=1),
    shell(f"{_LISTED} | true; exit ${{PIPESTATUS[0]}}"),
    shell(f"{_LISTED} --json | head -1; exit ${{PIPESTATUS[0]}}"),
    shell("$G --help >/dev/full", "standard output", code=1),
    shell("$G nonsense 2>&-", code=2),
    shell("$G run none.yaml >&- <&-", "does not exist", code=2),
    shell("$G run nöwhere.yaml", "does not exist", code=2, LC_ALL="C", LANG="C"),
    shell("$G run nöwhere.yaml", "does not exist", code=2, PYTHONIOENCODING="ascii"),
    # Prefect's surroundings
    shell(_PREFECT, "Prefect cannot read its settings", code=2, PREFECT_API_REQUEST_TIMEOUT="soon"),
    shell(_PREFECT, "Prefect cannot read its settings", code=2, PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="soon"),
    shell(f"mkdir prefect; echo '[[[' > prefect/profiles.toml; {_PREFECT}", "Prefect cannot read its settings", code=2),
    shell(_PREFECT, "set PREFECT_HOME", code=2, PREFECT_HOME="/proc/prefect"),
    shell(_PREFECT, "set PREFECT_HOME", code=2, PREFECT_HOME="/dev/null"),
    shell(_PREFECT, "set PREFECT_HOME", code=2, PREFECT_HOME="~nosuchuser/x"),
]
