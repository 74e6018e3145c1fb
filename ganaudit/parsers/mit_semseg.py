"""Kind `mit_semseg`: its options, and how it is opened."""

from __future__ import annotations

from ganaudit.context import Context
from ganaudit.fields import PathText
from ganaudit.kinds import Kind, Opened
from ganaudit.parsers.options import ClassNames, ScaledParser


class MitSemsegParser(ScaledParser):
    """A scene parser of CSAILVision/semantic-segmentation-pytorch: a ResNet with pyramid pooling or UPerNet."""

    weights: PathText
    """A folder with encoder_epoch_20.pth and decoder_epoch_20.pth."""
    classes: ClassNames = "ade20k"
    """ade20k: the 150 of the scene parsing benchmark; or names in the order of the channels."""


def open_mit_semseg(options: MitSemsegParser, context: Context) -> Opened:
    """The networks of a folder, in the context's precision. Raises RequestError where it lacks a file, or its files do not
    belong together."""
    from ganaudit.parsers import folders
    from ganaudit.parsers.labelling import of_channels
    from ganaudit.parsers.networks import resnet, scene_parsing
    from ganaudit.parsers.networks.convolutions import folded
    from ganaudit.parsers.preprocessing import Preprocessing
    from ganaudit.parsers.segmentation import Encoded, SegmentationParser

    folder = folders.folder(options.weights, options.sha256, context, "encoder_epoch_20.pth and decoder_epoch_20.pth")
    decoder, decoder_digest = folders.network(folders.one_file(folder, "decoder"), scene_parsing.from_weights)
    dilated = isinstance(decoder, scene_parsing.PyramidPooling)
    encoder, encoder_digest = folders.network(
        folders.one_file(folder, "encoder"), lambda tensors: resnet.from_weights(tensors, dilated)
    )
    named = of_channels(options.classes, decoder.channels, folder)
    preprocessing = Preprocessing.of(options, options.resolution)
    digests = {"encoder": encoder_digest, "decoder": decoder_digest}
    recipe = {"kind": options.kind, **digests, "preprocessing": preprocessing.recipe(), "precision": context.precision}
    network = folded(Encoded(encoder, decoder))
    parser = SegmentationParser(network, named, options.resolution, context.device, context.precision, preprocessing)
    return Opened(parser, recipe, digests, folder)


KIND = Kind(
    "mit_semseg", MitSemsegParser, open_mit_semseg, "MIT CSAIL's scene parsers: 150 classes of ADE20K",
    offers=frozenset({"precision"}),
)  # fmt: skip
