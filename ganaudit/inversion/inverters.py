"""The inverters that ship: every method of Bau et al. (ICCV 2019) and of Creswell and Bharath (2018), over one search.

`latent` is (a) of Bau's Fig. 6, `encoder` (b), `encoder+latent` (c), `layered` (d), `layered+latent` (e), `layerwise` (f);
`feature` frees r itself, a bound on what any search before r can reach. `own_encoder` and what starts from it are of generators
that come with an encoder (O-GAN, LIA), whose codes may be of another space than z.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganaudit.encoders import OWN_ENCODER
from ganaudit.encoders.networks import Encoder
from ganaudit.encoders.own import OwnEncoder
from ganaudit.errors import RequestError
from ganaudit.generators.protocol import BESIDE, Generator, State, spaces_of, with_code, with_z
from ganaudit.generators.shapes import GeneratorShape, LayerChoice
from ganaudit.inversion.objective import Objective, Targets
from ganaudit.inversion.search import Search, SearchResult, search_all
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.random import normals

FURTHER_START_SD = 2.0
"""Standard deviations of z's prior by which a further start is off the method's own: enough to leave the valley it is in."""

FACTOR_ONE = "residuals at factor 1"
"""The start of a search at another penalty: what was found at the penalty itself."""


@dataclass(frozen=True)
class InversionTask:
    """What is to be inverted, in what, and how.

    targets: made by `objective.targets`. indices: each image's index, which its random starts follow from. encoders: trained
    inverters by kind (`encoder`, `layered`), in eval mode, and the generator's own (`own_encoder`). restarts: random starts of
    each image, for `latent`. further_starts: of each search over z or w, `FURTHER_START_SD` off its own.
    """

    generator: Generator
    shape: GeneratorShape
    choice: LayerChoice
    targets: Targets
    indices: Sequence[int]
    objective: Objective
    search: Search
    seed: int = 0
    restarts: int = 1
    encoders: Mapping[str, Encoder | OwnEncoder] | None = None
    nonnegative_layers: frozenset[str] = frozenset()
    begin: Mapping[str, Tensor] | None = None
    """Residuals from which `layerwise` starts, by layer, instead of none: those found at another penalty."""
    further_starts: int = 0

    def encoder(self, kind: str) -> Encoder | OwnEncoder:
        """The inverter of that kind. Raises RequestError saying how to get one."""
        if not self.encoders or kind not in self.encoders:
            if kind == OWN_ENCODER:
                raise RequestError("this method needs an encoder that the generator brings with it, and this one brings none")
            raise RequestError(
                f"this method needs a trained inverter of kind {kind!r} for this generator; "
                f"make one with ganaudit train inverter GENERATOR --method {kind}"
            )
        return self.encoders[kind]


@dataclass(frozen=True)
class InversionResult:
    """The outcome of one method. found: for each image, its best restart. layer: `z`, another space's name, or r.

    restart: which restart it was. spread: (worst - best) / best over restarts' losses, (N,), zero for one. every: all restarts.
    ratio: free numbers per pixel value. evidential: whether what is missing says something about the generator. z: (N, L),
    of the images found; None where they were run from a w that no z of the generator is known for. w: (N, L), where they were.
    """

    method: str
    layer: str
    start: str
    ratio: float
    evidential: bool
    found: SearchResult
    restart: Tensor
    spread: Tensor
    every: tuple[SearchResult, ...]
    z: Tensor | None
    note: str | None = None
    w: Tensor | None = None


Inverter = Callable[[InversionTask], InversionResult]


@torch.no_grad()
def _state(task: InversionTask) -> State:
    """Latents with everything that is not z (a class, noise), which stays as it is."""
    return task.generator.latents(task.seed, torch.tensor(list(task.indices), dtype=torch.int64))


def _outcome(
    task: InversionTask, method: str, layer: str, start: str, ratio: float, evidential: bool, spaces: Sequence[SearchSpace]
) -> InversionResult:
    every, notes = [], []
    for space in spaces:
        how = task.search.in_one_fall() if space.latent else task.search
        result, note = search_all(space, task.objective, task.targets, how)
        every.append(result)
        notes += [note] if note else []
    losses = torch.stack([torch.nan_to_num(result.loss_best, nan=torch.inf) for result in every])
    best, chosen = losses.min(dim=0)
    finite = torch.where(losses.isfinite(), losses, -torch.inf).amax(dim=0)
    spread = torch.where(best > 0, (finite - best) / best, torch.zeros_like(best))
    result = picked(every, chosen)
    z, w = _codes(task.generator, {**spaces[0].state, **result.free})
    return InversionResult(
        method, layer, start, ratio, evidential, result, chosen, torch.nan_to_num(spread, nan=0.0, neginf=0.0), tuple(every),
        z, notes[0] if notes else None, w,
    )  # fmt: skip


@torch.no_grad()
def _codes(generator: Generator, state: State) -> tuple[Tensor | None, Tensor | None]:
    """z and w of images that were run from a state: w only where it was not made from z on the way."""
    if "w" not in state or getattr(generator, "encodes", None) != "w":
        return state["z"], None
    return z_of(generator, state["w"]), state["w"]


def z_of(generator: Generator, w: Tensor) -> Tensor | None:
    """z (N, L) of w, in 64 bits on the way; None where none is known: its mapping network has no inverse."""
    to_z = getattr(generator, "to_z", None)
    try:
        return None if to_z is None else to_z(w.double()).to(w.dtype)
    except RequestError:
        return None


def picked(every: Sequence[SearchResult], chosen: Tensor) -> SearchResult:
    """Row by row, the restart that was chosen."""
    if len(every) == 1:
        return every[0]
    rows = torch.arange(len(chosen), device=chosen.device)

    def pick(values: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(values))[chosen, rows]

    names = ("image", "loss_first", "loss_best", "best_step", "steps", "gradient_norm", "residual")
    places = chosen.tolist()
    together = {name: pick([getattr(result, name) for result in every]) for name in names}
    return replace(
        every[0], **together,
        free={name: pick([result.free[name] for result in every]) for name in every[0].free},
        terms={name: pick([result.terms[name] for result in every]) for name in every[0].terms},
        errors=tuple(every[place].errors[row] for row, place in enumerate(places)),
        curves=tuple(every[place].curves[row] for row, place in enumerate(places)),
        seconds=sum(result.seconds for result in every),
    )  # fmt: skip


def latent(task: InversionTask) -> InversionResult:
    """Gradient descent on z from random starts (Creswell and Bharath): image i's start k is the same in any batch."""
    state, spaces = _state(task), []
    for restart in range(max(1, task.restarts)):
        z = torch.from_numpy(normals(task.seed, f"inversion start {restart}", list(task.indices), task.shape.latent))
        spaces.append(SearchSpace(task.generator, with_z(state, z.to(state["z"].device)), latent=True))
    spaces += _further_starts(task, state, "z", torch.zeros_like(state["z"], dtype=torch.float32))
    return _outcome(task, "latent", "z", "random", task.shape.latent / task.shape.pixel_values, True, spaces)


def _further_starts(task: InversionTask, state: State, space: str, code: Tensor) -> list[SearchSpace]:
    """The further starts of a search over a space, around `code` (N, L): image i's start k is the same in any batch."""
    deviations = {each.name: each.deviation for each in spaces_of(task.generator)} if task.further_starts else {}
    deviation = deviations.get(space)
    starts = []
    for number in range(task.further_starts):
        drawn = normals(task.seed, f"inversion wide start {number}", list(task.indices), code.shape[1])
        off = torch.from_numpy(drawn).to(code) * (1.0 if deviation is None else deviation.to(code))
        moved = with_code(state, space, code + FURTHER_START_SD * off)
        starts.append(SearchSpace(task.generator, moved, latent=True, space=space))
    return starts


@torch.no_grad()
def _encoded(task: InversionTask, kind: str) -> tuple[State, str]:
    """The state of what an encoder says of the targets, with the layers that it guesses, and the space that it answers in."""
    guesses = task.encoder(kind)(task.targets.images)
    space = "z" if "z" in guesses else next(iter(guesses))
    return {**with_code(_state(task), space, guesses[space]), **guesses}, space


def _from_encoder(task: InversionTask, kind: str, method: str, searched: bool) -> InversionResult:
    state, space = _encoded(task, kind)
    code, plain = state[space], _state(task)
    spaces = [SearchSpace(task.generator, with_code(plain, space, code), latent=True, space=space)]
    spaces += _further_starts(task, plain, space, code) if searched else []
    todo = task if searched else replace(task, search=replace(task.search, steps=0))
    return _outcome(todo, method, space, kind, code.shape[1] / task.shape.pixel_values, True, spaces)


def encoder(task: InversionTask) -> InversionResult:
    """One network's z, as it is."""
    return _from_encoder(task, "encoder", "encoder", searched=False)


def layered(task: InversionTask) -> InversionResult:
    """The layered encoder's z, as it is."""
    return _from_encoder(task, "layered", "layered", searched=False)


def encoder_latent(task: InversionTask) -> InversionResult:
    """Search on z from one network's guess."""
    return _from_encoder(task, "encoder", "encoder+latent", searched=True)


def layered_latent(task: InversionTask) -> InversionResult:
    """Search on z from the layered encoder's guess."""
    return _from_encoder(task, "layered", "layered+latent", searched=True)


def own(task: InversionTask) -> InversionResult:
    """The code of the generator's own encoder, as it is."""
    return _from_encoder(task, OWN_ENCODER, OWN_ENCODER, searched=False)


def own_latent(task: InversionTask) -> InversionResult:
    """Search from that code, in its space."""
    return _from_encoder(task, OWN_ENCODER, f"{OWN_ENCODER}+latent", searched=True)


def own_layerwise(task: InversionTask) -> InversionResult:
    """`layerwise` from that code instead of the layered encoder's z."""
    return _layerwise(task, OWN_ENCODER, f"{OWN_ENCODER}+layerwise")


def layerwise(task: InversionTask) -> InversionResult:
    """The full method: z₀ = E(x) stays, residuals on the early layers are free, the layers from r on are frozen.

    Raises RequestError where no layer before r is small enough to be freed.
    """
    return _layerwise(task, "layered", "layerwise")


def _layerwise(task: InversionTask, kind: str, method: str) -> InversionResult:
    if not task.choice.residuals:
        raise RequestError(
            f"no layer of this generator is small enough to be freed before {task.choice.feature!r}; "
            "use layered+latent, or name a later layer, which gives an upper bound"
        )
    guessed, code = _encoded(task, kind)
    state, start = with_code(_state(task), code, guessed[code]), kind if task.begin is None else FACTOR_ONE
    space = SearchSpace(
        task.generator, state, residuals=task.choice.residuals, nonnegative_layers=task.nonnegative_layers, begin=task.begin
    )
    return _outcome(task, method, task.choice.feature, start, task.choice.ratio, task.choice.evidential, [space])


def feature(task: InversionTask) -> InversionResult:
    """r itself is free, from the feature inverter's guess where there is one of that layer: an upper bound, no evidence."""
    name = task.choice.feature
    state, _ = _encoded(task, "layered")
    with torch.no_grad():
        state = {**task.generator.run(with_z(_state(task), state["z"]), upto=name), **state}
    space = SearchSpace(
        task.generator,
        {**with_z(_state(task), state["z"]), **{each: state[each] for each in (name, name + BESIDE) if each in state}},
        feature=name,
        nonnegative_layers=task.nonnegative_layers,
    )
    size = next(layer.size for layer in task.shape.layers if layer.name == name)
    return _outcome(task, "feature", name, "layered", size / task.shape.pixel_values, False, [space])
