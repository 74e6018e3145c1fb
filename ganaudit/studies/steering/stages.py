"""The stages of steering: walks are trained, then samples are moved along them, beside real images as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ganaudit.records.store import Store
from ganaudit.sources.planned import Plan
from ganaudit.sources.roles import GENERATED, REAL
from ganaudit.studies.protocol import Stage, UsedKey
from ganaudit.studies.steering.models import AskedWalk, Setup, real_images, setup_of, steerable
from ganaudit.studies.steering.record_tables import STEERING_IMAGES, WALKS
from ganaudit.studies.steering.training import missing_walks, record_key, trained
from ganaudit.studies.steering.walking import StillShard, WalkedShard, blocks, places, still_key, walked_key

TRAINING, STEERING = STAGES = ("training walks", "steering")


def stages(plan: Plan, store: Store) -> Iterator[Stage]:
    """One after the other: each is asked for when the records of the one before stand."""
    setup = setup_of(plan)
    asked, notes = steerable(plan)
    missing = missing_walks(setup, store, asked)
    yield Stage(TRAINING, missing, [_walk_used(setup, each) for each in asked], notes)
    if asked:
        yield _steering(plan, setup, store, asked)


def variant(asked: AskedWalk) -> dict[str, object]:
    """What tells walks of one generator apart in `run_keys`."""
    return {
        "edit": asked.shape.edits[0], "space": asked.shape.space, "walk": asked.shape.kind, "alphas": list(asked.alphas),
        "size": list(asked.which.size),
    }  # fmt: skip


def _walk_used(setup: Setup, asked: AskedWalk) -> UsedKey:
    return UsedKey(WALKS.name, asked.which.name, GENERATED, record_key(setup, asked), 0, 1, variant(asked))


def _steering(plan: Plan, setup: Setup, store: Store, asked: Sequence[AskedWalk]) -> Stage:
    real, count = real_images(plan), setup.asked.images
    side = next(source for source in plan.sources if source.role == REAL)
    key = still_key(setup, real, side.first, side.count)
    number = min(side.count, count)
    keys = [UsedKey(STEERING_IMAGES.name, real.name, REAL, key, side.first, number, {})]
    done = store.finished_blocks(key, STEERING_IMAGES.name)
    shards: list[StillShard | WalkedShard] = [
        StillShard(setup, real, key, first, last)
        for first, last in blocks(setup, side.first, side.count)
        if (first, last) not in done
    ]
    queues = []
    for each in asked:
        walk = trained(setup, store, each)
        assert walk is not None, "it was trained in the stage before"
        key = walked_key(setup, walk)
        number = len(each.alphas)
        keys.append(UsedKey(STEERING_IMAGES.name, each.which.name, GENERATED, key, 0, count * number, variant(each)))
        done = store.finished_blocks(key, STEERING_IMAGES.name)
        missing = [block for block in blocks(setup) if places(block, number) not in done]
        queues.append([WalkedShard(setup, walk, key, *block) for block in missing])
    known: set[tuple[str, int]] = set()  # two sources may be one generator
    for turn in range(max(map(len, queues))):
        for queue in queues:
            if turn < len(queue) and (queue[turn].key, queue[turn].first) not in known:
                known.add((queue[turn].key, queue[turn].first))
                shards.append(queue[turn])
    return Stage(STEERING, shards, keys)
