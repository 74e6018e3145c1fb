"""The container file, read without building it: what it copies exists and suffices, what it installs pip understands."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deployments" / "Containerfile"


def instructions() -> list[tuple[str, str]]:
    """(instruction, its text) of each logical line."""
    lines = [line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(None, 1)[0].upper(), line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def copied() -> list[str]:
    """What is copied from the repository."""
    texts = [text for name, text in instructions() if name == "COPY" and "--from=" not in text]
    return [source for text in texts for source in shlex.split(text)[:-1]]


def test_what_is_copied_is_in_the_repository_and_reaches_the_builder():
    tracked = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True).stdout.splitlines()
    there = {line.split("/")[0] for line in tracked} if tracked else {path.name for path in ROOT.iterdir()}
    assert set(copied()) <= there
    ignore = FILE.with_name("Containerfile.dockerignore").read_text().splitlines()
    assert "*" in ignore and {line[1:] for line in ignore if line.startswith("!")} == set(copied())


def test_the_package_builds_from_what_is_copied_alone():
    """What pyproject.toml names lies in what is copied: packages, their data, the readme, the command."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tools = project["tool"]["setuptools"]
    result = copied()
    assert {pattern.rstrip("*") for pattern in tools["packages"]["find"]["include"]} <= set(result)
    assert {project["project"]["readme"], "pyproject.toml", "LICENSE"} <= set(result)
    for package, patterns in tools["package-data"].items():
        assert package in result and all(any((ROOT / package).glob(pattern)) for pattern in patterns)
    module, attribute = project["project"]["scripts"]["ganaudit"].split(":")
    assert module.split(".")[0] in result and attribute == "main"


def test_the_command_lines_of_pip_name_requirements_and_extras_that_there_are():
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--index-url")
    parser.add_argument("names", nargs="+")
    runs = " && ".join(text for name, text in instructions() if name == "RUN")
    torch, package = (shlex.split(line)[2:] for line in re.findall(r"pip install [^&]*", runs))
    asked = parser.parse_args(torch)
    assert asked.index_url == "${TORCH_INDEX}" and asked.names == ["torch", "torchvision"]
    assert parser.parse_args(package).names == [".${EXTRAS:+[$EXTRAS]}"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"torch", "torchvision"} <= {Requirement(result).name for result in project["dependencies"]}
    done = subprocess.run(  # the shell's own idea of that name, with and without extras
        ["sh", "-c", 'for EXTRAS in "" dask; do echo ".${EXTRAS:+[$EXTRAS]}"; done'], capture_output=True, text=True
    )
    assert done.stdout.split() == [".", ".[dask]"]


def test_the_image_is_pinned_runs_as_nobody_special_and_holds_no_secret():
    steps = instructions()
    values = dict(text.split("=", 1) for name, text in steps if name == "ARG")
    assert re.fullmatch(r"3\.\d+-slim-\w+", values["PYTHON"])
    assert [text.split()[0] for name, text in steps if name == "FROM"] == ["docker.io/library/python:${PYTHON}"] * 2
    names = [name for name, _ in steps]
    (user,) = [text for name, text in steps if name == "USER"]
    assert user.isdigit() and int(user) >= 1000 and names.index("USER") < names.index("ENTRYPOINT")
    assert dict(steps)["ENTRYPOINT"] == '["ganaudit"]'
    assert not re.search(r"(?i)token|password|secret|api_key", FILE.read_text())
