"""The stages of inversion, each planned from the records of the one before: inverters, targets, own samples, searches, and
mask-weighted searches for the classes that few photos recover."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ganaudit import devices
from ganaudit.inversion.methods import frees_residuals, needs, over_z
from ganaudit.inversion.penalty import FACTORS
from ganaudit.keys import digest
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.sources.planned import Plan
from ganaudit.sources.roles import GENERATED
from ganaudit.studies.inversion.choosing import TargetList, own_lists, photo_lists
from ganaudit.studies.inversion.models import (
    Invertible,
    Setup,
    base_of,
    inverters_of,
    invertible,
    methods_of,
    needed,
    setup_of,
    without,
)
from ganaudit.studies.inversion.reading import recalls_by_class
from ganaudit.studies.inversion.reconstructions import Theirs, photo_names, planned, theirs
from ganaudit.studies.inversion.record_tables import INVERSION_CALIBRATIONS, INVERSION_TARGETS, INVERSIONS
from ganaudit.studies.inversion.searching import SearchShard, TunedMethod, setting_key
from ganaudit.studies.inversion.settings import HELDOUT, OWN, SearchSetting
from ganaudit.studies.inversion.targets import TargetShard
from ganaudit.studies.inversion.training import missing_inverters
from ganaudit.studies.inversion.tuning import PenaltyShard, chosen_penalty, penalty_key
from ganaudit.studies.inversion.verdicts import Rules, proportion
from ganaudit.studies.protocol import Stage, UsedKey

TRAINING, PARSING, PENALTY, INVERTING, WEIGHTED = STAGES = (
    "training inverters", "parsing targets", "choosing penalties", "inverting", "mask-weighted searches",
)  # fmt: skip
SEARCHED = (
    "latent", "encoder+latent", "layered+latent", "layerwise", "own_encoder+latent", "own_encoder+layerwise", "feature",
)  # fmt: skip
"""The methods that search, and so have something to gain from a lower precision."""
PHOTOS = 5
"""At most so many times the photos that a verdict needs are searched again for a class."""


@dataclass(frozen=True)
class Method:
    """A method that a generator can be inverted by. inverters: digests of those that it starts from, by kind."""

    which: Invertible
    name: str
    inverters: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Searched:
    """A list of images, or those at some of its places, inverted in one way at several penalties."""

    way: TunedMethod
    targets: TargetList
    places: tuple[int, ...]
    settings: tuple[SearchSetting, ...]


def stages(plan: Plan, store: Store) -> Iterator[Stage]:
    """One after the other: each is asked for when the records of the one before stand."""
    setup = setup_of(plan)
    generators, notes = invertible(plan)
    if setup.asked.inverter == "auto" and generators:
        missing = missing_inverters(setup, generators)
        yield Stage(TRAINING, missing, (), [*notes, *(shard.note for shard in missing)])
        notes = []
    methods = []
    for which in generators:
        usable, why_not = usable_methods(setup, which)
        methods += usable
        notes += why_not
    inverted = [which for which in generators if any(method.which == which for method in methods)]
    others = theirs(plan, setup)
    with catalog.kept():
        photos = photo_lists(plan, store) if inverted or others else []
        lists = {which.name: [*own_lists(plan, store, which), *photos] for which in inverted}
    heldout = [targets for targets in photos if targets.sample == HELDOUT and len(targets)]
    yield _parsing(setup, store, [*lists.values(), heldout], notes)
    if not inverted and not others:
        return
    penalised = [method for method in methods if frees_residuals(method.name) and not _given(setup, method)]
    yield _penalties(setup, store, penalised)
    searched = []
    for method in methods:
        way = _way(setup, store, method)
        searched += [_plain(setup, way, targets) for targets in lists[method.which.name] if len(targets)]
    searches = _searches(INVERTING, setup, store, searched, ())
    yield _with_theirs(plan, store, setup, searches, others, heldout)
    again = [weighted for each in searched for weighted in _weighted(setup, store, each)]
    yield _searches(WEIGHTED, setup, store, again, ())


def usable_methods(setup: Setup, which: Invertible) -> tuple[list[Method], list[str]]:
    """The methods asked for that there is everything for, and a sentence about those that there is not."""
    asked, usable, notes = setup.asked, list[Method](), list[str]()
    there = inverters_of(setup, which, needed(asked))
    for kind in needed(asked):
        if kind not in there:
            notes.append(f"{which.name!r} is not inverted by {', '.join(methods_of(asked, kind))}: {without(kind)}.")
    for name in asked.searched:
        start = needs(name)
        if start is not None and start not in there:
            continue
        choice = base_of(setup, which).choice
        if frees_residuals(name) and not choice.residuals:
            notes.append(
                f"{which.name!r} is not inverted by {name}: no layer before {choice.feature!r} is small enough to be freed."
            )
            continue
        usable.append(Method(which, name, () if start is None else ((start, there[start].sha256),)))
    return usable, notes


def weighed(method: str) -> bool:
    """Whether a method has mask-weighted searches: what it frees is searched for, and is evidence."""
    return frees_residuals(method) or over_z(method)


def factors(method: str, sample: str) -> tuple[float | None, ...]:
    """Other penalties than the chosen one are searched where a verdict or its control needs them."""
    if not frees_residuals(method):
        return (None,)
    return FACTORS if sample in (HELDOUT, OWN) else (1.0,)


def _with_theirs(
    plan: Plan, store: Store, setup: Setup, searches: Stage, others: Sequence[Theirs], heldout: Sequence[TargetList]
) -> Stage:
    """The searches, and what somebody else reconstructed."""
    shards, keys, notes = list(searches.shards), list(searches.keys), list(searches.notes)
    for targets in heldout if others else ():
        names = photo_names(store, plan.run, targets)
        for some in others:
            missing, used, note = planned(setup, store, some, targets, names)
            shards += missing
            keys.append(used)
            notes.append(note)
    return Stage(searches.name, shards, keys, notes)


def _parsing(setup: Setup, store: Store, lists: Sequence[Sequence[TargetList]], notes: Sequence[str]) -> Stage:
    """Every list once, whoever shares it."""
    by_key = {targets.key: targets for each in lists for targets in each if len(targets)}
    keys, shards = [], []
    for key, targets in by_key.items():
        variant = {"sample": targets.sample}
        keys.append(UsedKey(INVERSION_TARGETS.name, targets.source, targets.asked.role, key, 0, len(targets), variant))
        done = store.finished_blocks(key, INVERSION_TARGETS.name)
        shards += [
            TargetShard(setup, targets.take(first, last), key, first, last)
            for first, last in targets.batches if (first, last) not in done
        ]  # fmt: skip
    return Stage(PARSING, shards, keys, notes)


def _precision(setup: Setup, method: Method) -> str:
    """What a method's searches compute in."""
    return devices.precision(setup.asked.precision, setup.device) if method.name in SEARCHED else "float32"


def _penalties(setup: Setup, store: Store, methods: Sequence[Method]) -> Stage:
    keys, shards, own, batch = [], [], setup.asked.own, setup.asked.batch
    for method in methods:
        precision = _precision(setup, method)
        key = penalty_key(setup, method.which, method.inverters, precision)
        keys.append(_used(INVERSION_CALIBRATIONS.name, method, key, own))
        done = store.finished_blocks(key, INVERSION_CALIBRATIONS.name)
        for first in range(0, own, batch):
            last = min(first + batch, own) - 1
            if (first, last) not in done:
                shards.append(
                    PenaltyShard(setup, method.which, method.name, key, method.inverters, precision, first, last)
                )  # fmt: skip
    return Stage(PENALTY, shards, keys)


def _used(table: str, method: Method, key: str, count: int) -> UsedKey:
    return UsedKey(table, method.which.name, GENERATED, key, 0, count, {"method": method.name})


def _given(setup: Setup, method: Method) -> float:
    """The residuals' penalty where the objective has one already; else 0, and own samples set it."""
    return base_of(setup, method.which, method.inverters).objective.penalty


def _way(setup: Setup, store: Store, method: Method) -> TunedMethod:
    precision = _precision(setup, method)
    if not frees_residuals(method.name):
        return TunedMethod(method.which, method.name, method.inverters, precision)
    if given := _given(setup, method):
        return TunedMethod(method.which, method.name, method.inverters, precision, given)
    key = penalty_key(setup, method.which, method.inverters, precision)
    penalty = chosen_penalty(store, key, setup.asked.own)
    return TunedMethod(method.which, method.name, method.inverters, precision, penalty, key)


def _plain(setup: Setup, way: TunedMethod, targets: TargetList) -> Searched:
    settings = [
        SearchSetting(
            setting_key(setup, way, targets.key, targets.sample, factor), targets.sample, way.method, factor, None, len(targets)
        )
        for factor in factors(way.method, targets.sample)
    ]  # fmt: skip
    return Searched(way, targets, tuple(range(len(targets))), tuple(settings))


def _weighted(setup: Setup, store: Store, plain: Searched) -> Iterator[Searched]:
    """The mask-weighted search of every class that few photos recovered, on the photos that hold it."""
    way, targets, rules = plain.way, plain.targets, Rules()
    if targets.sample != HELDOUT or not weighed(way.method):
        return
    shown = next(setting for setting in plain.settings if setting.shown)
    for number, recalls in sorted(recalls_by_class(store, shown, targets.indices, rules.least_pixels).items()):
        recovered = sum(recall >= rules.recovered for _, recall in recalls)
        if len(recalls) < rules.cases or proportion(recovered, len(recalls)).low > rules.made:
            continue
        places = tuple(place for place, _ in recalls[: PHOTOS * rules.cases])
        part = digest(list(places))
        settings = [
            SearchSetting(
                setting_key(setup, way, targets.key, HELDOUT, factor, number, part), HELDOUT, way.method, factor, number,
                len(places),
            )
            for factor in factors(way.method, HELDOUT)
        ]  # fmt: skip
        yield Searched(way, targets, places, tuple(settings))


def _searches(name: str, setup: Setup, store: Store, searched: Sequence[Searched], notes: Sequence[str]) -> Stage:
    """Shards of one batch each, with all the settings of it that are missing."""
    keys, shards, batch = [], [], setup.asked.batch
    for each in searched:
        for setting in each.settings:
            variant = setting.variant() | {"targets": each.targets.key}
            which = each.way.which
            keys.append(UsedKey(INVERSIONS.name, which.name, GENERATED, setting.key, 0, setting.images, variant))
        done = {setting.key: store.finished_blocks(setting.key, INVERSIONS.name) for setting in each.settings}
        for first in range(0, len(each.places), batch):
            places = each.places[first : first + batch]
            last = first + len(places) - 1
            missing = tuple(setting for setting in each.settings if (first, last) not in done[setting.key])
            if missing:
                shards.append(
                    SearchShard(setup, each.way, missing, each.targets.key, len(each.targets), places, first, last)
                )  # fmt: skip
    return Stage(name, shards, keys, notes)
