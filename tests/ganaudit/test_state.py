"""What a user's model holds enters its key: any changed number does, names of files and order of attributes do not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganaudit.errors import RequestError
from ganaudit.state import state_digest


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


class Holder:
    def __init__(self, **parts) -> None:
        self.__dict__.update(parts)


def test_the_same_numbers_have_one_digest_and_other_numbers_another():
    assert state_digest(network()) == state_digest(network())
    assert state_digest(network()) != state_digest(network(1))


@pytest.mark.parametrize("name", list(network().state_dict()))
def test_any_one_entry_counts(name):
    changed = network()
    changed.state_dict()[name].flatten()[0] += 1
    assert state_digest(changed) != state_digest(network())


def test_type_shape_and_name_count_even_where_the_bytes_are_the_same():
    values = torch.arange(4, dtype=torch.int32)
    variants = [
        {"a": values}, {"b": values}, {"a": values.reshape(2, 2)}, {"a": values.view(torch.float32)},
        {"a": values, "b": values}, {"a": values.bool()}, {"a": values.bfloat16()}, {"a": torch.tensor(1)}, {"a": values[:0]},
    ]  # fmt: skip
    assert len({state_digest(Holder(**variant)) for variant in variants}) == len(variants)


def test_modules_and_tensors_among_the_attributes_are_found_in_any_order():
    whole = Holder(net=network(), mean=torch.zeros(2), name="mine", size=3)
    assert state_digest(whole) == state_digest(Holder(mean=torch.zeros(2), net=network(), name="yours", size=4))
    assert state_digest(whole) != state_digest(Holder(net=network(1), mean=torch.zeros(2)))
    assert state_digest(whole) != state_digest(Holder(net=network(), mean=torch.ones(2)))


def test_strides_do_not_matter():
    straight = torch.arange(6.0).reshape(2, 3)
    assert state_digest(Holder(a=straight.t().contiguous().t())) == state_digest(Holder(a=straight))


def test_what_holds_no_numbers_has_no_digest():
    assert state_digest(Holder(name="x")) is None
    assert state_digest(object()) is None
    assert state_digest(nn.ReLU()) is None


def test_the_digests_of_plain_tensors_and_networks_are_those_they_always_were():
    fixed = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
    for number, value in enumerate(fixed.state_dict().values()):
        value.fill_(number)
    assert state_digest(fixed).startswith("0d188ebf29beae65")
    assert state_digest(Holder(net=fixed, mean=torch.arange(3.0))).startswith("3c2a11fbf2e47d16")


def test_tensors_that_are_not_laid_out_plainly_count_too():
    dense = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    odd = [
        dense, dense.to_sparse(), 2 * dense.to_sparse(), torch.quantize_per_tensor(dense, 0.1, 3, torch.qint8),
        torch.quantize_per_tensor(dense, 0.3, 3, torch.qint8), torch.complex(dense, dense), torch.complex(dense, dense).conj(),
    ]  # fmt: skip
    assert len({state_digest(Holder(a=tensor)) for tensor in odd}) == len(odd)
    assert state_digest(Holder(a=dense.to_sparse_csr())) == state_digest(Holder(a=dense.to_sparse()))


def test_a_tensor_without_numbers_is_refused():
    with pytest.raises(RequestError, match="'a' is on the device meta"):
        state_digest(Holder(a=torch.empty(2, device="meta")))
