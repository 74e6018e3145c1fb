"""Kind `torchscript`: a program that torch.jit.save wrote, which is run only where the audit file trusts it."""

from __future__ import annotations

from ganaudit import torchscript
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.inputs import FunctionSource
from ganaudit.kinds import Kind, Opened


class TorchscriptSource(FunctionSource):
    """A TorchScript program from z, and perhaps a class, to images."""

    trust: bool = False
    """true: you trust who made it. It is a program, and runs with your rights as your own code does."""


def open_torchscript(options: TorchscriptSource, context: Context) -> Opened:
    """The program of a file, tried once. Raises RequestError where it is not trusted, not of TorchScript, or no generator."""
    from ganaudit import weights
    from ganaudit.foreign_code import naming
    from ganaudit.generators.networks.any_module import AnyModule
    from ganaudit.random import VERSION as DRAWS_VERSION

    path = weights.locate(options.weights, context.folder)
    content, sha256 = torchscript.trusted(path, options.sha256, options.trust, "`kind: auto` reads tensors")
    if options.shape is None:
        raise RequestError(
            f"{path} does not say what it takes; give the shape of one z beside its kind, such as `latent: 128` or "
            "`latent: [512, 1, 1]`"
        )
    recipe = {"kind": "torchscript", "weights": sha256, "draws": DRAWS_VERSION}
    with naming(path):
        network = torchscript.loaded(content, context.device)
        inputs, identity = options.inputs(options.shape), {"program": sha256}
        generator = AnyModule(network, inputs, (), options.arguments, identity, context.device)
    height, width = generator.resolution
    note = f"{path.name} is a TorchScript program, run because the audit file trusts it: {height}×{width} pixels" + (
        "; it takes one image at a time" if generator.batch == 1 else ""
    )
    return Opened(generator, recipe, {"weights": sha256}, path, (note,))


KIND = Kind(
    "torchscript", TorchscriptSource, open_torchscript, "a program that torch.jit.save wrote, run where it is trusted",
    holds=torchscript.holds,
)  # fmt: skip
