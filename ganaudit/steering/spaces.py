"""Where in a state a walk takes place: a latent of one of the generator's spaces, and the state of another one."""

from __future__ import annotations

from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.protocol import BESIDE, DERIVED, Generator, Mapped, Space, State, spaces_of, with_z


def space_named(generator: Generator, name: str = "auto") -> Space:
    """A space of a generator; `auto`: w where it has one, else the first. Raises RequestError naming those that it has."""
    spaces = {space.name: space for space in spaces_of(generator)}
    if not spaces:
        raise RequestError("this generator has no latent space to walk in: its latents hold no floating-point numbers")
    if name == "auto":
        return spaces.get("w") or next(iter(spaces.values()))
    if name not in spaces:
        raise RequestError(f"this generator has no space {name!r}; it has {', '.join(spaces)}")
    return spaces[name]


def latent_of(generator: Generator, state: State, space: str) -> Tensor:
    """The latents (N, …) of a state in one of the generator's spaces. In w they may have one style a layer, where truncation is
    of some layers alone. Raises RequestError where nothing says how they are had."""
    if space not in ("w", "w+"):
        return state[space]
    if "w" in state:
        styles = state["w"]
    elif isinstance(generator, Mapped):
        styles = generator.mapped(state)
    else:
        raise RequestError(
            f"this generator says that it has the space {space}, but its latents hold no w and it has no method mapped(state)"
        )
    if space == "w" or styles.ndim == 3:
        return styles
    return styles[:, None].expand(-1, space_named(generator, space).shape[0], -1)


def with_latent(state: State, space: str, latent: Tensor) -> State:
    """The state of other latents in a space, with all that does not follow from them: noise, a class."""
    if space == "z":
        return with_z(state, latent)
    kept = {name: value for name, value in state.items() if name not in DERIVED and not name.endswith(BESIDE)}
    return {**kept, "w" if space == "w+" else space: latent}
