"""Unified Perceptual Parsing at full size on a processor: the reference's way of running it against ours, one after the other.

    python -m benchmarks.parsers --images 10 --rounds 2
    python -m benchmarks.parsers --weights models/upp-resnet50-upernet

The reference's way (Bau et al., ICCV 2019): float32, batches of 10; logits of objects, materials and of the parts of all
owners made as large as the images, softmax of each, argmax, and a count of each image. It is spared its scene head, and its
batch norms are folded, as ours are. Ours: the kind `upp` as an audit opens it, precision `auto`, batches of 10, counted
with regions and confidences. One thread; CPU seconds of this process, the least of the rounds, in which both take turns.
Without --weights the networks are of random numbers, which costs the same; how many labels a precision changes, of such a
network, says little of a trained one: that of the built-in parser is printed beside.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit import devices, images, weights
from ganaudit.context import Context
from ganaudit.parsers.networks.resnet import ResNet
from ganaudit.parsers.networks.unified_parsing import HEADS, UnifiedDecoder
from ganaudit.parsers.networks.upernet import resized
from ganaudit.parsers.segmentation import unet_parser
from ganaudit.parsers.unified_parsing import UnifiedParser
from ganaudit.parsers.upp import UppParser, open_upp
from ganaudit.tally import tally
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

BATCH, SIDE, WIDTH = 10, 256, 512
OBJECTS, MATERIALS, OWNERS, PART_CHANNELS = 336, 26, 77, 427
"""Of the published weights."""


def random_folder(folder: Path) -> Path:
    """A folder as the published one is, with random numbers: ResNet-50 and a UPerNet of 512 channels."""
    torch.manual_seed(0)
    stages = [_stage(*each) for each in ((128, 64, 3), (256, 128, 4), (512, 256, 6), (1024, 512, 3))]
    encoder = ResNet((64, 64, 128), stages, dilated=False)
    torch.save(encoder.state_dict(), folder / "encoder_epoch_40.pth")
    torch.save(UnifiedDecoder(_shapes()).state_dict(), folder / "decoder_epoch_40.pth")
    sizes = [PART_CHANNELS // OWNERS + (place < PART_CHANNELS % OWNERS) for place in range(OWNERS)]
    owned = {f"object {n}": _named(f"part {n}", size) for n, size in enumerate(sizes, start=1)}
    labels = {"object": _named("object", OBJECTS), "material": _named("material", MATERIALS), "object_part": owned}
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder


def _named(what: str, count: int) -> list[str]:
    return ["-", *(f"{what} {n}" for n in range(1, count))]


def _stage(before: int, inner: int, blocks: int) -> list[tuple[tuple[int, ...], bool]]:
    return [((before if n == 0 else 4 * inner, inner, inner, 4 * inner), n == 0) for n in range(blocks)]


def _shapes() -> dict[str, Tensor]:
    """The weights that say a decoder's sizes, without numbers."""
    shapes = {f"ppm_conv.{n}.0.weight": (WIDTH, 2048, 1, 1) for n in range(4)} | {"ppm_last_conv.0.weight": (WIDTH, 4096, 3, 3)}
    shapes |= {f"fpn_in.{n}.0.weight": (WIDTH, channels, 1, 1) for n, channels in enumerate((256, 512, 1024))}
    shapes |= {f"fpn_out.{n}.0.0.weight": (WIDTH, WIDTH, 3, 3) for n in range(3)}
    shapes |= {"conv_fusion.0.weight": (WIDTH, 4 * WIDTH, 3, 3)}
    for head, channels in (("object", OBJECTS), ("material", MATERIALS), ("part", PART_CHANNELS)):
        shapes |= {f"{head}_head.0.0.weight": (WIDTH, WIDTH, 3, 3), f"{head}_head.1.weight": (channels, WIDTH, 1, 1)}
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


class ReferenceWay:
    """The same networks, run and counted as the reference does, its scene head left out."""

    def __init__(self, parser: UnifiedParser) -> None:
        self.parser = parser
        self.encoder: nn.Module = parser.encoder
        self.decoder = parser.decoder

    @torch.inference_mode()
    def counts(self, x: Tensor) -> list[Tensor]:
        """Counts of objects of each image (N, 3, H, W)."""
        (seen,) = self.parser.preprocessing(x)
        levels = self.decoder.levels(self.encoder(seen.contiguous()))
        side_by_side = torch.cat([levels[0], *(resized(level, levels[0].shape[2:]) for level in levels[1:])], dim=1)
        fusion = self.decoder.conv_fusion(side_by_side)
        logits = {head: self.decoder.logits(head, levels[0] if head == "material" else fusion) for head in HEADS}
        size = (int(x.shape[2]), int(x.shape[3]))
        summed = {head: torch.zeros(len(x), logits[head].shape[1], *size) for head in ("object", "material")}
        for head, total in summed.items():
            total += resized(logits[head].contiguous(), size).softmax(dim=1)
        maps = torch.zeros(len(x), 3, *size, dtype=torch.long)
        maps[:, 0], maps[:, 1] = summed["object"].max(dim=1)[1], summed["material"].max(dim=1)[1]
        parts, first = resized(logits["part"].contiguous(), size), 0
        for owner, ids in self.parser.labels.owners:
            part = resized(parts[:, first : first + len(ids)], size).softmax(dim=1).max(dim=1)[1]
            first += len(ids)
            inside = maps[:, 0] == owner
            maps[:, 2][inside] = part[inside]
        return [torch.bincount(one[0].flatten(), minlength=len(self.parser.labels.objects)) for one in maps]


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def changed(parse: Callable[[str], Tensor], precision: str) -> float:
    """Percent of labels that a precision changes."""
    return float((parse("float32") != parse(precision)).float().mean()) * 100


def main() -> None:
    """Compares, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=BATCH, help="a multiple of 10")
    parser.add_argument("--rounds", type=int, default=2, help="how often both take turns")
    parser.add_argument("--weights", type=Path, help="the published folder; default: random numbers")
    asked = parser.parse_args()
    number, rounds, folder = asked.images, asked.rounds, asked.weights
    torch.set_num_threads(1)
    precision = devices.precision("auto", "cpu")
    pixels = render(Prevalence(), 7, list(range(number)))[0]
    x = F.interpolate(images.to_unit(pixels), size=(SIDE, SIDE), mode="bilinear", antialias=True).clamp(-1, 1)
    with tempfile.TemporaryDirectory() as temporary:
        options = UppParser(kind="upp", weights=str((folder or random_folder(Path(temporary))).resolve()))
        parsers = {each: open_upp(options, Context(precision=each)).model for each in dict.fromkeys(("float32", precision))}
    reference, batches = ReferenceWay(parsers["float32"]), torch.split(x, BATCH)

    def ours() -> None:
        for batch in batches:
            labels = parsers[precision].parse(batch)
            tally(labels.maps, labels.confidence, max(info.id for info in parsers[precision].classes) + 1)

    def theirs() -> None:
        for batch in batches:
            reference.counts(batch)

    costs = [(seconds(theirs), seconds(ours)) for _ in range(rounds)]
    slow, fast = (min(cost) / number for cost in zip(*costs, strict=True))
    print(f"reference's way, float32: {1 / slow:.3f} images/s; ours, {precision}: {1 / fast:.3f}; ratio {slow / fast:.2f}")
    share = changed(lambda each: torch.cat([parsers[each].parse(batch).maps for batch in batches]), precision)
    print(f"labels that {precision} changes, all heads: {share:.3f} % ({'random' if folder is None else 'published'} weights)")
    built_in, scenes = weights.load("builtin:village"), images.to_unit(render(Prevalence(), 5, list(range(256)))[0])
    share = changed(lambda each: unet_parser(built_in, "cpu", each).parse(scenes).maps, precision)
    print(f"labels that {precision} changes, built-in parser, trained: {share:.4f} % of 256 scenes")


if __name__ == "__main__":
    main()
