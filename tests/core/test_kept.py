"""The weights that the streams of a model share, and how a change of the model is noticed."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import seqgen
from seqgen import kept
from seqgen.checkpoint import Weights
from seqgen.kept import KeptWeights, kept_weights
from seqgen.streaming import Stream


@pytest.fixture
def model() -> seqgen.CharRNN:
    return seqgen.CharRNN("abc", hidden_size=4, layers=1, seed=5)


class Single(KeptWeights):
    """Weights of a single array."""

    def has_a(self, array: np.ndarray) -> bool:
        return self.has({"a": array})


def of_array(array: np.ndarray) -> Single:
    return Single("char-rnn", {}, {"a": array})


ARRAYS = [
    np.arange(12, dtype=np.float32).reshape(3, 4), np.array(1.5), np.zeros((0, 3), np.float32),
    np.array([0.0, np.nan, np.inf]), np.arange(200_001, dtype=np.int32),
]  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.shape))
@pytest.mark.parametrize("compare", [kept._memcmp, kept._memcmp_of_numpy], ids=["memcmp", "numpy"])
def test_arrays_are_compared_byte_by_byte(array, compare, monkeypatch):
    monkeypatch.setattr(kept, "_memcmp", compare)
    weights = of_array(array)
    assert weights.has_a(array.copy())
    assert weights.has_a(array.copy(order="F"))
    for place in {0, array.size // 2, array.size - 1} if array.size else ():
        changed = array.copy()
        changed.reshape(-1).view(np.uint8)[place * array.itemsize] ^= 1
        assert not weights.has_a(changed)


def test_other_zeros_shapes_and_dtypes_are_other_arrays():
    weights = of_array(np.zeros((2, 3), np.float32))
    assert weights.has_a(np.zeros((2, 3), np.float32))
    for other in (-np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32), np.zeros((2, 3), np.int32)):
        assert not weights.has_a(other)
    assert not of_array(np.zeros((2, 3), order="F")).has_a(np.zeros((2, 3))), "kept arrays are contiguous"
    assert not weights.has({})
    assert not weights.has({"b": np.zeros((2, 3), np.float32)})


def test_the_configuration_the_codec_and_the_card_are_compared_too(model):
    first = kept_weights(model)
    assert kept_weights(model) is first
    model.codec = copy.deepcopy(model.codec)
    second = kept_weights(model)
    assert second is not first
    model.dropout = 0.25
    assert kept_weights(model) is not second
    net = seqgen.WaveNet(levels=4, layers=1)
    first = kept_weights(net)
    net._feature_card = {"feature_range": [0.0, 1.0]}
    assert kept_weights(net) is not first


def test_a_parameter_that_is_not_contiguous_is_compared(model):
    weight = model.head.weight
    weight.data = weight.data.t().contiguous().t()
    assert not weight.is_contiguous()
    first = kept_weights(model)
    assert kept_weights(model) is first
    weight.data[1, 2] += 1.0
    assert kept_weights(model) is not first


@pytest.mark.parametrize(
    "model",
    [
        seqgen.HMM([1, 0], [[0.9, 0.1], [0.1, 0.9]], seqgen.Categorical([[1, 0], [0, 1]])),
        seqgen.MarkovChain(order=2).fit(["abcab", "cab"]),
        seqgen.MarkovChain.from_table(["a", "b"], [[0.9, 0.1], [0.5, 0.5]]),
    ],
    ids=["hmm", "markov", "table"],
)
def test_read_only_arrays_are_shared_with_the_model(model):
    shared = kept_weights(model).arrays
    assert kept_weights(model).arrays is shared
    for name, array in model.arrays().items():
        assert shared[name] is array
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_a_class_that_defines_other_arrays_is_compared_by_them():
    class Scaled(seqgen.CharRNN):
        scale = 1.0

        def arrays(self) -> dict[str, np.ndarray]:
            return {name: array * np.float32(self.scale) for name, array in super().arrays().items()}

    model = Scaled("abc", hidden_size=4, layers=1, seed=5)
    before = kept_weights(model)
    assert kept_weights(model) is before
    model.scale = 4.0
    assert kept_weights(model) is not before
    assert kept_weights(model).hash == model.weights().hash


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_parameters_in_bfloat16_are_read_exactly(model, engine, tmp_path):
    model.to(torch.bfloat16)
    wide = copy.deepcopy(model).float()
    assert model.sample(2, 20, seed=1, engine=engine) == wide.sample(2, 20, seed=1, engine=engine)
    model.save(tmp_path / "narrow.safetensors")
    assert seqgen.load(tmp_path / "narrow.safetensors").sample(2, 20, seed=1) == wide.sample(2, 20, seed=1)


def test_weights_of_the_caller_are_packed_and_hashed_anew_for_every_stream(model):
    """Their arrays may be written to between two streams."""
    weights = model.weights()
    one = Stream(weights, 1, 20, seed=3)
    state = one.state_dict()["weights"]
    for array in weights.arrays.values():
        array *= -3.0
    two = Stream(weights, 1, 20, seed=3, log_probs=True)
    again = seqgen.CharRNN.from_weights(weights).stream(1, 20, seed=3, log_probs=True)
    assert [chunk.data for chunk in two] == [chunk.data for chunk in again]
    assert one.state_dict()["weights"] == state


def test_weights_of_the_caller_are_never_those_that_are_kept(model):
    shared = kept_weights(model)
    for array in model.weights().arrays.values():
        array[...] = 0.0
    assert kept_weights(model) is shared
    assert all(array.any() for array in shared.arrays.values())


def test_copies_of_kept_weights_keep_nothing(model):
    model.sample(1, 5)
    shared = kept_weights(model)
    assert set(vars(shared)) > set(vars(model.weights()))
    for copied in (copy.copy(shared), copy.deepcopy(shared), pickle.loads(pickle.dumps(shared))):
        assert type(copied) is Weights
        assert set(vars(copied)) == set(vars(model.weights()))


def test_a_stream_whose_model_is_gone_goes_on(model):
    expected = model.sample(1, 40, seed=1)
    stream = model.stream(1, 40, seed=1, chunk=8)
    parts = [next(stream).data]
    del model
    twin = pickle.loads(pickle.dumps(stream))
    assert "".join(parts + [chunk.data for chunk in stream]) == expected[0]
    assert "".join(parts + [chunk.data for chunk in twin]) == expected[0]


def test_parameters_of_another_dtype_are_noticed(model):
    first = kept_weights(model)
    assert next(iter(first.arrays.values())).dtype == np.float32
    model.to(torch.float64)
    second = kept_weights(model)
    assert next(iter(second.arrays.values())).dtype == np.float64
    model.to(torch.float32)
    assert kept_weights(model).hash == first.hash


class Remembered:
    """A model whose parameters are recognized by their fingerprint."""

    def __init__(self, model: seqgen.CharRNN) -> None:
        import seqgen.kernels.fingerprint  # noqa: F401  # from now on, fingerprints are taken

        self.model = model
        self.weights = kept_weights(model)
        assert kept_weights(model) is self.weights
        assert self.recognizes()

    def recognizes(self) -> bool:
        return self.weights.is_in(kept._memory(self.model))


@pytest.fixture
def remembered(model) -> Remembered:
    return Remembered(model)


def test_a_recognized_model_is_not_read_again(remembered, monkeypatch):
    monkeypatch.setattr(KeptWeights, "has", None)
    assert kept_weights(remembered.model) is remembered.weights


def last_bit(model):
    model.head.weight.detach().view(torch.int32)[-1, -1] ^= 1


def through_data(model):
    model.head.bias.data[0] += 1.0


def through_numpy(model):
    model.head.bias.detach().numpy()[0] += 1.0


def another_parameter(model):
    model.head.bias = torch.nn.Parameter(model.head.bias.detach() + 1.0)


def another_shape(model):
    model.head.weight.data = model.head.weight.data.reshape(model.head.weight.shape[::-1])


def another_dtype(model):
    model.head.bias.data = model.head.bias.data.view(torch.int32).float()


def another_name(model):
    model.head.register_parameter("offset", model.head._parameters.pop("bias"))


def another_order(model):
    model.head._parameters = dict(reversed(model.head._parameters.items()))
    model.head.weight.data += 1.0


def a_module_within(model):
    model.head = torch.nn.Sequential(model.head)


def a_buffer(model):
    model.register_buffer("scale", torch.ones(1))


def a_view_at_no_multiple_of_8(model):
    bias = model.head.bias
    room = torch.zeros(len(bias) + 1)
    room[1:] = bias.detach() + 1.0
    bias.data = room[1:]


def a_hook(model):
    model.head.register_state_dict_post_hook(
        lambda module, state, prefix, _: state.update(more=torch.ones(2))
    )


CHANGES = (
    last_bit, through_data, through_numpy, another_parameter, another_shape, another_dtype, another_name,
    another_order, a_module_within, a_buffer, a_view_at_no_multiple_of_8, a_hook,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_recognized_model_is_noticed(remembered, change):
    change(remembered.model)
    assert not remembered.recognizes()
    present = remembered.model.present_arrays()
    own = remembered.weights.arrays
    # as by the comparison of bytes
    assert list(present) != list(own) or not remembered.weights.has(present)


def test_equal_parameters_elsewhere_are_recognized(remembered):
    model = remembered.model
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    assert remembered.recognizes()
    model.head.bias.data = torch.zeros(len(model.head.bias) + 1)[1:] + model.head.bias.data
    model.register_buffer("scale", torch.ones(1), persistent=False)
    assert remembered.recognizes()
    assert kept_weights(copy.deepcopy(model)) is not remembered.weights
    assert remembered.weights.is_in(kept._memory(copy.deepcopy(model)))


def test_models_whose_arrays_are_not_their_parameters_are_compared_byte_by_byte(model):
    class Scaled(seqgen.CharRNN):
        scale = 1.0

        def state_dict(self, *arguments, **options):
            whole = super().state_dict(*arguments, **options)
            return whole if self.scale == 1.0 else {name: self.scale * value for name, value in whole.items()}

    class Chosen(seqgen.CharRNN):
        scale = 1.0

        def present_arrays(self) -> dict[str, np.ndarray]:
            found = super().present_arrays()
            return found if self.scale == 1.0 else {name: self.scale * array for name, array in found.items()}

    Remembered(model)
    for kind in (Scaled, Chosen):
        other = kind("abc", hidden_size=4, layers=1, seed=5)
        before = kept_weights(other)
        assert kept_weights(other) is before
        other.scale = np.float32(4.0) if kind is Chosen else 4.0
        assert kept_weights(other) is not before
    wide = copy.deepcopy(model).to(torch.bfloat16)
    before = kept_weights(wide)
    assert kept_weights(wide) is before
    assert not before.is_in(kept._memory(wide))
    wide.head.bias.data[0] += 1.0
    assert kept_weights(wide) is not before


def test_without_numba_nothing_is_loaded_to_recognize_a_model(model, monkeypatch):
    monkeypatch.delitem(sys.modules, "seqgen.kernels.compile", raising=False)
    before = kept_weights(model)
    assert kept_weights(model) is before
    assert not before.is_in(kept._memory(model))
    model.head.bias.data[0] += 1.0
    assert kept_weights(model) is not before


def test_another_thread_may_replace_parameters_while_they_are_recognized() -> None:
    model = seqgen.CharRNN("ab", hidden_size=256, layers=2, seed=1)
    own = {name: value.clone() for name, value in model.state_dict().items()}
    expected, done = model.sample(1, 4, seed=3), threading.Event()

    def replace() -> None:
        while not done.is_set():
            model.load_state_dict({name: value.clone() for name, value in own.items()}, assign=True)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(300):
            with model.stream(1, 4, seed=3) as stream:
                assert [next(stream).data] == expected
    finally:
        done.set()
        thread.join()


def test_parameters_whose_memory_was_freed_are_an_error(model: seqgen.CharRNN) -> None:
    model.sample(2, 4)
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
        parameter.untyped_storage().resize_(0)
    for _ in range(2):
        with pytest.raises(seqgen.SeqgenError, match=r"memory of the parameter .* was freed"):
            model.sample(2, 4)


def test_a_submodule_may_be_none(model: seqgen.CharRNN) -> None:
    expected = model.sample(2, 4)
    model.register_module("extra", None)
    assert model.sample(2, 4) == model.sample(2, 4) == expected


def test_functions_of_a_model_itself_and_another_class_are_noticed(model: seqgen.CharRNN) -> None:
    class Louder(seqgen.CharRNN):
        def weights(self, card: dict[str, Any] | None = None) -> Weights:
            weights = super().weights(card)
            return replace(weights, arrays={name: 3 * array for name, array in weights.arrays.items()})

    model.sample(1, 4)
    before = kept_weights(model)
    model.__class__ = Louder
    assert kept_weights(model) is not before
    model.__class__ = seqgen.CharRNN
    before = kept_weights(model)
    assert kept_weights(model) is before
    whole = model.state_dict()
    model.state_dict = lambda *a, **k: {name: 2 * value for name, value in whole.items()}  # type: ignore[method-assign]
    assert kept_weights(model) is not before


def test_negated_views_are_read_as_they_are(model: seqgen.CharRNN) -> None:
    expected = model.sample(1, 4)
    for parameter in model.parameters():
        parameter.data = torch._neg_view(-parameter.data)
    assert model.sample(1, 4) == expected
    assert model.sample(1, 4) == expected
