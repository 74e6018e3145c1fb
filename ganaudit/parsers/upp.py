"""Kind `upp`: its options, and how it is opened."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ganaudit.context import Context
from ganaudit.fields import PathText
from ganaudit.kinds import Kind, Opened
from ganaudit.parsers.options import ScaledParser

Head = Literal["object", "material", "part"]


def _once(heads: tuple[Head, ...]) -> tuple[Head, ...]:
    if len(set(heads)) < len(heads):
        raise ValueError("each head is read once; name it once")
    return heads


class UppParser(ScaledParser):
    """Unified Perceptual Parsing of Xiao et al. (ECCV 2018), as Bau et al. (ICCV 2019) read images with it."""

    weights: PathText
    """A folder with encoder_epoch_40.pth, decoder_epoch_40.pth and labels.json."""
    heads: Annotated[tuple[Head, ...], Field(min_length=1), AfterValidator(_once)] = ("object", "material", "part")
    """What is read; the first is what the Fréchet distance is over."""
    filter: Literal["area", "bilinear", "bicubic"] = "area"
    """How an image gets another size of `scales`: area, the mean over equal bins, as Bau et al.; the others are antialiased."""


def open_upp(options: UppParser, context: Context) -> Opened:
    """The networks of a folder, in the context's precision. Raises RequestError where it lacks a file, or its files do not
    belong together."""
    from ganaudit.parsers import folders
    from ganaudit.parsers.networks import resnet
    from ganaudit.parsers.networks.unified_parsing import UnifiedDecoder
    from ganaudit.parsers.preprocessing import Preprocessing
    from ganaudit.parsers.unified_parsing import MEAN, UnifiedParser, read_labels

    folder = folders.folder(options.weights, options.sha256, context, "encoder_epoch_40.pth, decoder_epoch_40.pth, labels.json")
    labels, labels_digest = read_labels(folder / "labels.json")
    encoder, encoder_digest = folders.network(folders.one_file(folder, "encoder"), resnet.from_weights)
    decoder, decoder_digest = folders.network(folders.one_file(folder, "decoder"), UnifiedDecoder)
    labels.check(decoder, folder)
    preprocessing = Preprocessing.of(options, options.resolution, mean=MEAN, std=(1.0, 1.0, 1.0), white=255.0, order="bgr")
    digests = {"encoder": encoder_digest, "decoder": decoder_digest, "labels": labels_digest}
    recipe = {"kind": options.kind, **digests, "preprocessing": preprocessing.recipe(), "precision": context.precision}
    where = options.resolution, context.device, context.precision
    return Opened(UnifiedParser(encoder, decoder, labels, options.heads, preprocessing, *where), recipe, digests, folder)


KIND = Kind(
    "upp", UppParser, open_upp, "Unified Perceptual Parsing: objects, materials, parts; the parser of Bau et al.",
    offers=frozenset({"precision"}),
)  # fmt: skip
