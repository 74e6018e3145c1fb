"""A user's own part is tried on a few images: what depends on anything but the image is refused with its cause."""

from __future__ import annotations

import textwrap
import threading

import pytest
import torch

from ganaudit import spec as specs
from ganaudit import trial
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.opening import open_generator
from ganaudit.modules import training
from ganaudit.named import options_named
from ganaudit.parsers.opening import open_parser
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.sources.opening import open_source
from ganaudit.sources.roles import REAL, SourceRole

HEAD = """
import threading, time
import numpy as np
import torch
from torch import nn
from ganaudit import ClassInfo, Image, Labels
from ganaudit.random import normals

def labels(x):
    grey = x.mean(dim=1)
    maps = 1 + (grey > 0).long()
    return Labels(maps, torch.ones_like(grey))

class Parser:
    classes = (ClassInfo(1, "dark"), ClassInfo(2, "bright"))
    resolution = 16
    def __init__(self): pass
    def parse(self, images): return labels(images)

class Generator:
    resolution, layers = 8, ()
    def __init__(self): pass
    def latents(self, seed, indices):
        return {"z": torch.from_numpy(normals(seed, "z", indices.numpy(), 192)), "index": indices}
    def image(self, z): return torch.tanh(z).reshape(-1, 3, 8, 8)
    def run(self, state, after=None, upto=None): return {**state, "image": self.image(state["z"])}

def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1))
"""


@pytest.fixture(autouse=True)
def untried(monkeypatch):
    monkeypatch.setattr(trial, "_TRIED", set())


def spec(folder, code, parser=None, **source):
    (folder / "mine.py").write_text(HEAD + textwrap.dedent(code))
    generator = {"name": "g", "kind": "mine:Mine", **source} if parser is None else {"name": "g", "kind": "village"}
    return specs.parse({
        "name": "n", "folder": str(folder), "parser": parser or {"kind": "mine:Parser"},
        "real": {"name": "r", "kind": "village"}, "generators": [generator],
    })  # fmt: skip


def parser(folder, code, device="cpu", **asked):
    asked = spec(folder, code, {"kind": "mine:Mine", **asked})
    return open_parser(asked.parser, asked.context(device, "float32", anew=True)).parser


def generator(folder, code, **asked):
    whole = spec(folder, code, **asked)
    return open_generator(whole.generators[0], whole.context("cpu", "float32", anew=True)).generator


# networks that plain classes hold are put into eval mode

PLACES = {
    "an attribute": ("self.net = network()", "self.net"),
    "a list": ("self.nets = [network()]", "self.nets[0]"),
    "a mapping": ("self.nets = {'a': (network(),)}", "self.nets['a'][0]"),
    "an attribute of an attribute": ("self.inner = Parser(); self.inner.net = network()", "self.inner.net"),
    "a circle": ("self.me = self; self.nets = [self, network()]", "self.nets[1]"),
    "a list in a module": ("self.net = nn.Identity(); self.net.parts = [network()]", "self.net.parts[0]"),
    "a function": ("net = network(); self.call = lambda x: net(x)", "self.call"),
    "a method": ("self.call = network().forward", "self.call"),
    "the class": ("Mine.net = network()", "self.net"),
    "the module": ("pass", "NET"),
}


@pytest.mark.parametrize("place", list(PLACES))
def test_a_network_is_put_into_eval_mode_wherever_it_is_held(tmp_path, place):
    held, used = PLACES[place]
    code = f"""
    NET = network()
    class Mine(Parser):
        def __init__(self): {held}
        def parse(self, images): return labels({used}(images))
    """
    opened = parser(tmp_path, code)
    assert training(opened) is None
    images = torch.rand(5, 3, 16, 16) * 2 - 1
    assert torch.equal(opened.parse(images).maps[:1], opened.parse(images[:1]).maps)


def test_a_network_that_had_to_be_put_into_eval_mode_gives_another_key_and_one_that_had_not_the_key_it_had(tmp_path):
    code = "class Mine(Parser):\n    def __init__(self): self.net = network(){}\n"

    def recipe(code):
        asked = spec(tmp_path, code, {"kind": "mine:Mine"})
        return open_parser(asked.parser, asked.context("cpu", "float32", anew=True)).recipe

    recipes = [recipe(code.format(mode)) for mode in ("", ".eval()")]
    assert [each.get("eval") for each in recipes] == [True, None]
    plain = "class Mine(Parser):\n    def __init__(self): self.net = nn.Linear(2, 2)\n"
    assert "eval" not in recipe(plain)


# what is no function of the image

PARSERS = {
    "put back into train mode": (
        "self.net = network()", "self.net.train(); return labels(self.net(images))",
        r"`net\.1` \(BatchNorm2d\) is in train mode",
    ),
    "batch statistics": ("pass", "return labels(images - images.mean())", "in another batch"),
    "dropout": ("pass", "return labels(nn.functional.dropout(images + 2, 0.5) - 2)", "fresh noise"),
    "fresh noise": ("pass", "return labels(images + torch.randn_like(images))", "the second time"),
    "noise of the batch": (
        "pass", "torch.manual_seed(0); return labels(images + torch.randn_like(images))", "in another batch",
    ),
    "a memory": ("self.n = 0", "self.n += 1; return labels(images * (-1) ** self.n)", "the second time"),
    "the place in the batch": (
        "pass", "return labels(images + torch.arange(len(images)).view(-1, 1, 1, 1))", "in another batch",
    ),
    "the size of the batch": ("pass", "return labels(images - 0.3 * len(images))", "in another batch"),
    "a confidence that is noise": (
        "pass", "found = labels(images); return Labels(found.maps, torch.rand_like(found.confidence))", "the second time",
    ),
    "nothing but errors": ("pass", "raise ValueError('no such luck')", "ValueError: no such luck"),
}  # fmt: skip


@pytest.mark.parametrize("fault", list(PARSERS))
def test_a_parser_whose_labels_follow_from_more_than_the_image_is_refused(tmp_path, fault):
    made, body, reason = PARSERS[fault]
    code = f"class Mine(Parser):\n    def __init__(self): {made}\n    def parse(self, images): {body}\n"
    with pytest.raises(RequestError, match=f"mine:Mine.*{reason}"):
        parser(tmp_path, code)


GENERATORS = {
    "fresh noise": ("return torch.tanh(z + 0.1 * torch.randn_like(z)).reshape(-1, 3, 8, 8)", "other pixels the second time"),
    "dropout": ("return nn.functional.dropout(torch.tanh(z), 0.1).reshape(-1, 3, 8, 8)", "fresh noise"),
    "noise with a seed of its own": (
        "torch.manual_seed(3); return torch.tanh(z + torch.randn_like(z)).reshape(-1, 3, 8, 8)", "in another batch",
    ),
    "a norm over the batch": ("return torch.tanh(z - z.mean(0)).reshape(-1, 3, 8, 8)", "in another batch"),
    "numpy's noise": ("return torch.tanh(z + float(np.random.rand())).reshape(-1, 3, 8, 8)", "the second time"),
    "the clock": ("return torch.tanh(z * 0 + time.time() % 1e-3 * 1e3).reshape(-1, 3, 8, 8)", "the second time"),
}  # fmt: skip


@pytest.mark.parametrize("fault", list(GENERATORS))
def test_a_generator_whose_images_follow_from_more_than_seed_and_index_is_refused(tmp_path, fault):
    body, reason = GENERATORS[fault]
    with pytest.raises(RequestError, match=f"g \\(mine:Mine\\): image 0.*{reason}"):
        generator(tmp_path, f"class Mine(Generator):\n    def image(self, z): {body}\n")


def test_a_generator_named_on_the_command_line_is_tried_too(tmp_path):
    spec(tmp_path, f"class Mine(Generator):\n    def image(self, z): {GENERATORS['dropout'][0]}\n")
    with pytest.raises(RequestError, match="fresh noise"):
        open_generator(options_named("generators", "mine:Mine", folder=tmp_path), Context(tmp_path))


def test_a_collection_that_crops_at_random_is_refused_and_one_whose_first_image_is_torn_is_not(tmp_path):
    code = """
    from ganaudit.errors import ImageError
    class Mine:
        def __init__(self, torn=False): self.torn = torn
        def __len__(self): return 4
        def recipe(self): return {}
        def image(self, index):
            if self.torn: raise ImageError("torn")
            return Image(np.random.randint(0, 255, (8, 8, 3)).astype(np.uint8), "x")
    """

    def opened(torn):
        whole = spec(tmp_path, code)
        data = {**whole.model_dump(mode="json"), "real": {"name": "r", "kind": "mine:Mine", "options": {"torn": torn}},
                "generators": [{"name": "g", "kind": "village"}]}  # fmt: skip
        whole = specs.parse(data)
        context = whole.context("cpu", "float32", anew=True)
        return open_source(SourceRole(REAL), whole.real, open_parser(whole.parser, context), context)

    assert opened(True).read([0]).errors == ["torn"]
    with pytest.raises(RequestError, match="image 0 has other pixels the second time"):
        opened(False)


# what passes


def test_rounding_is_no_fault_and_more_than_rounding_is(tmp_path):
    code = """
    class Mine(Generator):
        def __init__(self, step, share): self.step, self.share, self.n = step, share, 0
        def image(self, z):
            self.n += 1
            image = super().image(z).clone()
            rounded = ((image + 1) * 127.5).round() / 127.5 - 1
            rounded.flatten(1)[:, :int(192 * self.share)] += self.n % 2 * self.step / 127.5
            return rounded.clamp(-0.9, 0.9)
    """
    generator(tmp_path, code, options={"step": 1, "share": 0.009})
    for step, share in ((1, 0.2), (3, 0.009)):
        with pytest.raises(RequestError, match="the second time"):
            generator(tmp_path, code, options={"step": step, "share": share})


def test_a_parser_that_takes_whole_batches_alone_is_tried_on_one(tmp_path):
    code = """
    class Mine(Parser):
        def parse(self, images):
            if len(images) != 64: raise ValueError("64 images")
            return labels(images{})
    """
    parser(tmp_path, code.format(""))
    with pytest.raises(RequestError, match="in another batch"):
        parser(tmp_path, code.format(" - images.mean()"))


def test_a_parser_that_does_not_say_its_size_and_refuses_the_trial_s_is_left_to_its_sources(tmp_path):
    parser(tmp_path, """
    class Mine(Parser):
        resolution = None
        def parse(self, images):
            if images.shape[2] != 48: raise ValueError("48 pixels")
            return labels(images)
    """)  # fmt: skip


def test_a_trial_is_done_once_a_process_and_again_for_another_content(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(trial, "try_parser", lambda *asked: tried.append(asked[1]))
    code = "class Mine(Parser):\n    def __init__(self, depth=1): pass\n"
    for depth in (1, 1, 2, 1):
        parser(tmp_path, code, options={"depth": depth})
    assert len(tried) == 2


def test_a_trial_asks_for_few_images():
    class Counting:
        classes = (ClassInfo(1, "a"),)
        asked = 0

        def parse(self, images):
            self.asked += len(images)
            return Labels(torch.ones(len(images), 4, 4, dtype=torch.long), torch.ones(len(images), 4, 4))

    counting = Counting()
    trial.try_parser(counting, "x", (16, 16), 64, "cpu", None)
    assert counting.asked <= 16


# what a parser gives is looked at before work begins

WRONG = {
    "nothing": ("return None", "not None"),
    "a tuple": ("return (maps, sure)", "not tuple"),
    "a tensor": ("return maps", "not Tensor"),
    "a mapping": ("return {'out': sure}", "not dict"),
    "no confidences": ("return Labels(maps, None)", "not Labels"),
    "bool maps": ("return Labels(maps > 0, sure)", "here they are bool; give class ids"),
    "float maps": ("return Labels(maps.float(), sure)", "here they are float32"),
    "complex maps": ("return Labels(maps.to(torch.complex64), sure)", "here they are complex64"),
    "sparse maps": ("return Labels(maps.to_sparse(), sure)", "here they are sparse int64"),
    "an array": ("return Labels(maps.numpy(), sure)", "here they are ndarray"),
    "a list": ("return Labels(list(maps), sure)", "here they are list"),
    "one hot": ("return Labels(torch.stack([maps] * 3, 1), sure)", "3 heads; its classes have 1"),
    "flat maps": ("return Labels(maps.flatten(1), sure.flatten(1))", "here their shape is"),
    "one map for all": ("return Labels(maps[0], sure[0])", "here their shape is"),
    "a map too many": ("return Labels(torch.cat([maps, maps[:1]]), torch.cat([sure, sure[:1]]))", "here their shape is"),
    "maps without pixels": ("return Labels(maps[..., :0], sure[..., :0])", "here their shape is"),
    "an id too high": ("return Labels(maps + 7, sure)", "class id .*, which is none"),
    "an id below 0": ("return Labels(maps - 3, sure)", "class id -"),
    "255 for void": ("return Labels(torch.where(maps == 1, 255, maps), sure)", "class id 255"),
    "confidences of another size": ("return Labels(maps, sure[:, ::2])", "confidences have the shape"),
    "confidences per image": ("return Labels(maps, sure.mean((1, 2)))", "confidences have the shape"),
    "bool confidences": ("return Labels(maps, sure > 0)", "here they are bool"),
    "NaN": ("return Labels(maps, sure * float('nan'))", "one of them is nan"),
    "one NaN": ("sure[:, 0, 0] = float('nan'); return Labels(maps, sure)", "one of them is nan"),
    "infinite": ("return Labels(maps, sure / 0)", "one of them is inf"),
    "logits": ("return Labels(maps, sure * 12.5)", "one of them is 12.5"),
    "below 0": ("return Labels(maps, -sure)", "one of them is -1"),
    "percent": ("return Labels(maps, 99 * sure)", "one of them is 99"),
}


@pytest.mark.parametrize("fault", list(WRONG))
@pytest.mark.parametrize("size", ["16", "None"])
def test_what_is_no_label_map_is_refused_before_work_begins(tmp_path, fault, size):
    body, reason = WRONG[fault]
    code = f"""
    class Mine(Parser):
        resolution = {size}
        def parse(self, images):
            maps, sure = labels(images).maps, labels(images).confidence
            {body}
    """
    with pytest.raises(RequestError, match=f"mine:Mine.*: .*{reason}"):
        parser(tmp_path, code)


@pytest.mark.parametrize("body", [
    "return Labels(maps.int(), sure)", "return Labels(maps.byte(), sure.half())", "return Labels(maps[:, None], sure[:, None])",
    "return Labels(maps * 0, sure * 0)", "return Labels(maps, sure.double() * 1.0005)", "return Labels(maps, sure.long())",
])  # fmt: skip
def test_label_maps_of_any_integer_type_and_confidences_a_little_beyond_1_are_taken(tmp_path, body):
    code = f"""
    class Mine(Parser):
        def parse(self, images):
            maps, sure = labels(images).maps, labels(images).confidence
            {body}
    """
    assert parser(tmp_path, code).resolution == 16


# threads


@pytest.fixture
def however_busy(monkeypatch):
    """Two threads meet as often as they should, also where the machine takes its time over everything."""
    monkeypatch.setattr(trial, "SLOW", 600.0)


UNSAFE = {
    "remembers its images": """
        def parse(self, images):
            self.x = images
            time.sleep(0.05)
            return labels(self.x)""",
    "fills a buffer of its own": """
        def parse(self, images):
            if not hasattr(self, "buffer") or self.buffer.shape != images.shape: self.buffer = torch.zeros_like(images)
            self.buffer.copy_(images)
            time.sleep(0.05)
            return labels(self.buffer)""",
    "dies when it is busy": """
        busy = False
        def parse(self, images):
            if self.busy: raise RuntimeError("there is a reference to internal data")
            self.busy = True
            time.sleep(0.05)
            self.busy = False
            return labels(images)""",
}


@pytest.mark.parametrize("fault", list(UNSAFE))
def test_a_parser_that_two_threads_disturb_is_told_about_threads_and_works_with_one(tmp_path, however_busy, fault):
    code = "class Mine(Parser):" + UNSAFE[fault]
    with pytest.raises(RequestError, match=r"two threads at once.*`threads: 1`"):
        parser(tmp_path, code)
    opened = parser(tmp_path, code, threads=1)
    images = torch.rand(6, 3, 16, 16) * 2 - 1
    expected, result = [opened.parse(images[i : i + 1]).maps for i in range(6)], {}
    threads = [threading.Thread(target=lambda i=i: result.update({i: opened.parse(images[i : i + 1]).maps})) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(result[i], expected[i]) for i in range(6))


def test_an_object_that_lives_in_one_thread_is_refused_with_threads_1_too(tmp_path):
    code = """
    class Mine(Parser):
        def __init__(self): self.home = threading.get_ident()
        def parse(self, images):
            if threading.get_ident() != self.home: raise RuntimeError("made in another thread")
            return labels(images)
    """
    with pytest.raises(RequestError, match=r"another thread than the one that made it.*made in another thread"):
        parser(tmp_path, code, threads=1)


def test_a_generator_that_two_threads_disturb_is_told_about_threads(tmp_path, however_busy):
    code = """
    class Mine(Generator):
        def image(self, z):
            self.z = z
            time.sleep(0.05)
            return super().image(self.z)
    """
    with pytest.raises(RequestError, match=r"two threads at once.*`threads: 1`"):
        generator(tmp_path, code)
    assert generator(tmp_path, code, threads=1).resolution == 8


# properties


@pytest.mark.parametrize("name", ["resolution", "layers", "latents", "run"])
@pytest.mark.parametrize("end", ["sys.exit(0)", "raise ValueError('odd')", "raise BaseException"])
def test_a_property_of_a_generator_that_raises_is_a_sentence(tmp_path, name, end):
    code = f"import sys\nclass Mine(Generator):\n    @property\n    def {name}(self): {end}\n"
    with pytest.raises(RequestError, match=r"mine:Mine.* raised (SystemExit|ValueError: odd|BaseException)"):
        generator(tmp_path, code)


@pytest.mark.parametrize("name", ["resolution", "classes", "parse"])
def test_a_property_of_a_parser_that_raises_is_a_sentence(tmp_path, name):
    code = f"import sys\nclass Mine(Parser):\n    @property\n    def {name}(self): sys.exit(0)\n"
    with pytest.raises(RequestError, match=r"mine:Mine.* raised SystemExit"):
        parser(tmp_path, code)


def test_a_property_that_gives_a_function_works(tmp_path):
    opened = parser(tmp_path, "class Mine(Parser):\n    @property\n    def parse(self): return labels\n")
    assert opened.parse(torch.zeros(1, 3, 16, 16)).maps.unique().tolist() == [1]


def test_the_audit_file_takes_files_and_one_thread(tmp_path):
    whole = spec(tmp_path, "", {"kind": "mine:Parser", "files": "a", "threads": 1})
    assert (whole.parser.files, whole.parser.threads) == (("a",), 1)
    assert specs.AuditSpec.model_validate_json(whole.model_dump_json()) == whole
    for wrong in ({"threads": 2}, {"threads": 0}, {"files": [""]}, {"files": {"a": 1}}, {"files": [None]}):
        with pytest.raises(RequestError, match="1 mistake"):
            spec(tmp_path, "", {"kind": "mine:Parser", **wrong})
