"""A run of census, inversion and steering that is killed again and again: `python -m benchmarks.kills`.

Half of the SIGKILLs come just after a new shard, the others at any time; each is followed by the same command. At the end every
record is that of a run that was left alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from safetensors.torch import save_file

from ganaudit import audit, parse
from ganaudit.generators.networks.progan import progan
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog
from ganaudit.records.schema import RECORDS, SHARDED
from ganaudit.records.store import Store

TINY_MODELS = Path(__file__).parents[1] / "tests" / "ganaudit"
BLOCK = 64
FORKS = multiprocessing.get_context("forkserver")
"""Each run is a process of its own, forked from one that has imported everything: only the run is killed, not the imports."""
DONE, OTHER = 0, 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--longest", type=float, default=4.0, help="seconds after its start that a run is killed at the latest")
    arguments = parser.parse_args()
    print(json.dumps(killed(arguments.kills, arguments.longest), indent=2))


def asked(folder: Path, store: Path, blocks: int, photos: int) -> dict[str, Any]:
    """An audit whose shards take a while: `blocks` of each source, `photos` inverted by two methods, and as many samples moved
    along two walks, which are trained first."""
    blots = {"kind": "tiny_models:Blots", "options": {"images": photos, "seed": 2}}
    return {
        "name": "killed", "folder": str(TINY_MODELS), "store": str(store),
        "parser": {"kind": "tiny_models:Slow", "options": {"pause": 0.1}},
        "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": blocks * BLOCK}},
        "heldout": {"name": "held out", **blots}, "decide": {"permutations": 0},
        "generators": [{"name": "tiny", "kind": "progan", "weights": str(folder / "tiny.safetensors")},
                       {"name": "noise", "kind": "tiny_models:Noise"}],
        "sample": {"count": blocks * BLOCK, "batch": 32}, "run": {"workers": 2, "device": "cpu", "precision": "float32"},
        "invert": {"images": photos, "own": 8, "masked": 4, "methods": ["latent"], "steps": 20, "batch": 4,
                   "perceptual": "none", "keep": "residuals"},
        "steer": {"edits": ["luminance"], "walks": ["linear", "residual"], "alphas": 3, "images": photos, "shard": 16,
                  "steps": 100},
    }  # fmt: skip


def killed(times: int, longest: float, seed: int = 1) -> dict[str, Any]:
    """Kills a run `times` times, starts it again each time, lets it end; a thread asks the store throughout."""
    draw, photos = random.Random(seed), 8 * times
    FORKS.set_forkserver_preload(["ganaudit.auditing.run", "ganaudit.report", "ganaudit.maintenance.verify"])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        torch.manual_seed(2)
        save_file(progan(8, 4, ((2,),)).state_dict(), folder / "tiny.safetensors")
        store, reference = (Store(folder / name).open_for_writing(BLOCK) for name in ("killed", "reference"))
        alone = started(asked(folder, reference.path, times // 3, photos))
        alone.join()
        mapping = asked(folder, store.path, times // 3, photos)
        stop, wrong = threading.Event(), list[str]()
        reader = threading.Thread(target=_read_on, args=(store, stop, wrong), daemon=True)
        reader.start()
        shards, studies, ended, lost = [_shards(store)], Counter[str](), 0, 0
        for number in range(times):
            process = started(mapping)
            if number % 2 == 0:
                while process.is_alive() and len(_shards(store)) <= len(shards[-1]):
                    time.sleep(0.01)
            process.join(draw.uniform(0.0, longest if number % 2 else 0.5))
            process.kill()
            process.join()
            ended += process.exitcode != -signal.SIGKILL
            shards.append(_shards(store))
            lost += not shards[-2] <= shards[-1]
            studies[_study(shards[-1])] += 1
        last = started(mapping)
        last.join()
        stop.set()
        reader.join()
        statement = "SELECT status, count(*) AS runs FROM runs GROUP BY status ORDER BY status"
        rows, expected = _rows(store), _rows(reference)
        return {
            "kills": times - ended,
            "ended before its kill": ended,
            "kills by study": studies,
            "shards done before the last run": f"{len(shards[-1])} of {len(_shards(reference))}",
            "last run": "done" if last.exitcode == DONE else str(last.exitcode),
            "runs": {row["status"]: row["runs"] for row in catalog.query(store, statement).to_pylist()},
            "finished shards that went": lost,
            "rows": {name: table.num_rows for name, table in rows.items()},
            "same rows as a run left alone": alone.exitcode == DONE and rows == expected,
            "tables that differ": [name for name in expected | rows if rows.get(name) != expected.get(name)],
            "wrong answers meanwhile": wrong,
            "problems": [
                problem.sentence for problem in verify(store, deep=True).problems if problem.kind != "leftover"
            ],
        }  # fmt: skip


def _study(shards: set[str]) -> str:
    """The study that a run with these shards has come to: steering begins with walks."""
    begun = {path.split("/")[2] for path in shards}
    return (
        "steering" if "walks" in begun else "inversion" if any(table.startswith("inversion") for table in begun) else "census"
    )


def started(mapping: dict[str, Any]) -> Any:
    ready = FORKS.Event()
    process = FORKS.Process(target=_run, args=(mapping, ready))
    process.start()
    ready.wait(120)
    return process


def _run(mapping: dict[str, Any], ready: Any) -> None:
    ready.set()
    os._exit(DONE if audit(parse(mapping)).status == "done" else OTHER)


def _shards(store: Store) -> set[str]:
    return {str(path.relative_to(store.path)) for table in SHARDED for path in store.files(table)}


def _read_on(store: Store, stop: threading.Event, wrong: list[str]) -> None:
    """Asks the store until told to stop: no image twice, none of half a block, no file that cannot be read."""
    statement = (
        f"SELECT count(*) AS n, count(DISTINCT (key, image)) AS d, count(DISTINCT (key, image // {BLOCK})) AS b FROM images"
    )
    while not stop.is_set():
        try:
            (row,) = catalog.query(store, statement).to_pylist()
        except Exception as error:
            wrong.append(str(error))
            return
        if row["n"] != row["d"]:
            wrong.append(str(row))
        time.sleep(0.3)  # a question costs a twentieth of a second of computing


def _rows(store: Store) -> dict[str, pa.Table]:
    """Every record of every table, in order; how long it took is not compared."""
    found = {}
    for name in SHARDED:
        table = RECORDS[name]
        if paths := sorted(store.files(name)):
            columns = [column for column in table.arrow.names if column != "seconds"]
            whole = pa.concat_tables([store.read(table, path, columns) for path in paths])
            found[name] = whole.sort_by([(key, "ascending") for key in ("key", *table.sort)])
    return found


if __name__ == "__main__":
    main()
