"""`auto` means the same on every machine of a kind, and a device that is not there is an error, not a fallback."""

from __future__ import annotations

import os

import pytest
import torch

from ganaudit import devices
from ganaudit.errors import RequestError


@pytest.fixture
def machine(monkeypatch):
    def pretend(cuda: int = 0, mps: bool = False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize("cuda, mps, expected", [(2, False, "cuda"), (1, True, "cuda"), (0, True, "mps"), (0, False, "cpu")])
def test_auto_takes_the_first_accelerator_there_is(machine, cuda, mps, expected):
    machine(cuda, mps)
    assert devices.pick("auto") == expected


def test_a_device_that_can_be_used_is_taken_as_it_is():
    assert devices.pick("cpu") == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "meta"])
def test_a_device_that_cannot_be_used_is_refused_in_one_line(name):
    with pytest.raises(RequestError, match=r"is not usable here: |is none of auto, cpu, cuda, cuda:N, mps") as caught:
        devices.pick(name)
    assert "\n" not in str(caught.value)


def test_precision_follows_the_table_unless_it_is_said_or_the_processor_would_emulate_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert devices.precision("auto", "cpu") == "float32" and devices.precision("bfloat16", "cpu") == "bfloat16"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert [devices.precision("auto", name) for name in ("cpu", "cuda", "cuda:3", "mps", "xpu")] == [
        "bfloat16", "bfloat16", "bfloat16", "float32", "float32",
    ]  # fmt: skip
    assert devices.precision("float32", "cuda") == "float32"


def test_workers_take_turns_on_several_gpus(machine):
    machine(cuda=2)
    assert [devices.for_worker("cuda", worker) for worker in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert devices.for_worker("cuda:1", 0) == "cuda:1" and devices.for_worker("cpu", 1) == "cpu"
    machine(cuda=1)
    assert devices.for_worker("cuda", 1) == "cuda"


def test_auto_is_a_worker_for_each_core_or_gpu(machine):
    machine(cuda=3)
    assert devices.workers("auto", "cuda") == 3
    assert devices.workers("auto", "cpu") == len(os.sched_getaffinity(0))
    assert devices.workers("auto", "mps") == 1
    assert devices.workers(7, "cuda") == 7


@pytest.mark.parametrize(("side", "size"), [(64, 64), (128, 16), (256, 4), (512, 1), (1024, 1)])
def test_a_processor_works_on_as_many_images_at_once_as_their_pixels_allow(side, size):
    parts = list(devices.parts(2 * size + 1, side, side, "cpu", devices.PARSED))
    assert parts == [slice(0, size), slice(size, 2 * size), slice(2 * size, 2 * size + 1)]
    assert len(list(devices.parts(16, side, side, "cpu", devices.GENERATED))) == min(16, -(-16 // max(1, size // 4)))
    assert len(list(devices.parts(16, side, side, "cuda:1", devices.PARSED))) == (4 if side == 1024 else 1)
