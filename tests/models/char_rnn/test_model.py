"""The character RNN against its equations, and the "hello" example of Zhou, lecture 22."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import seqgen
from seqgen import CharRNN
from seqgen.errors import SeqgenError
from seqgen.models.char_rnn import model as char_rnn

HELLO = "helo"
CELLS = ("tanh", "gru", "lstm")


def sharp(cell: str, *, layers: int = 2, bias: bool = True, hidden: int = 9) -> CharRNN:
    """Return a model in float64 whose distribution is far from flat."""
    model = CharRNN(HELLO, cell=cell, hidden_size=hidden, layers=layers, bias=bias, seed=2).double()
    for parameter in model.parameters():
        parameter.data *= 2.0
    return model


def nats(model: CharRNN, x: object, **given: object) -> float:
    """Return the log-probability of one text."""
    return float(model.log_prob(x, **given).detach())


# ---- the equations ------------------------------------------------------------------------------------


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def step(cell: str, own: dict[str, np.ndarray], x: np.ndarray, state: tuple) -> tuple:
    """Compute one step of one layer: h = tanh(W_hh h + W_xh x) and its gated variants, as PyTorch defines them."""
    h = state[0]
    from_x = own["weight_ih_l0"] @ x + own.get("bias_ih_l0", 0.0)
    from_h = own["weight_hh_l0"] @ h + own.get("bias_hh_l0", 0.0)
    if cell == "tanh":
        return (np.tanh(from_h + from_x),)
    if cell == "gru":
        (xr, xz, xn), (hr, hz, hn) = np.split(from_x, 3), np.split(from_h, 3)
        reset, update = sigmoid(xr + hr), sigmoid(xz + hz)
        return ((1 - update) * np.tanh(xn + reset * hn) + update * h,)
    i, f, g, o = np.split(from_x + from_h, 4)
    kept = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(kept), kept


def logits_written_out(model: CharRNN, inputs: list[int]) -> np.ndarray:
    """Compute logits (T, V) of o = W_hy h, one symbol after another."""
    arrays = {name: array.astype(np.float64) for name, array in model.arrays().items()}
    depth = len(model.layers)
    own = [
        {n.removeprefix(f"layers.{k}."): a for n, a in arrays.items() if n.startswith(f"layers.{k}.")}
        for k in range(depth)
    ]
    zero = np.zeros(model.hidden_size)
    states = [(zero, zero)] * depth
    rows = []
    for symbol in inputs:
        x = np.zeros(model.codec.size)
        if symbol >= 0:
            x[symbol] = 1.0
        for k in range(depth):
            states[k] = step(model.cell, own[k], x, states[k])
            x = states[k][0]
        rows.append(arrays["head.weight"] @ x + arrays.get("head.bias", 0.0))
    return np.array(rows)


@pytest.mark.parametrize("bias", [False, True], ids=["lecture's equations", "with biases"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_parallel_pass_equals_the_equations(cell, layers, bias):
    model = sharp(cell, layers=layers, bias=bias)
    assert any("bias" in name for name in model.arrays()) == bias
    inputs = [-1, 0, 1, 2, 2, 3, 0]
    logits, _ = model(torch.tensor([inputs]))
    np.testing.assert_allclose(logits[0].detach().numpy(), logits_written_out(model, inputs), atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_one_parallel_pass_equals_cached_steps(cell):
    model = sharp(cell)
    inputs = torch.tensor([[-1, 0, 1, 2, 2, 3], [-1, 3, 3, 1, 0, 2]])
    whole, after = model(inputs)
    state, rows = None, []
    for t in range(inputs.shape[1]):
        row, state = model(inputs[:, t : t + 1], state)
        rows.append(row)
    torch.testing.assert_close(torch.cat(rows, 1), whole, atol=1e-12, rtol=0)
    for ours, theirs in zip(state, after, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


# ---- the lecture's example -------------------------------------------------------------------------------


def test_the_figures_logits_give_the_probability_of_e_after_h():
    """Zhou, lecture 22, draws the outputs after "h" as 1.0, 2.2, -3.0 and 4.1 for h, e, l and o."""
    model = CharRNN(HELLO, cell="tanh", hidden_size=3, layers=1)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.tensor([1.0, 2.2, -3.0, 4.1]))
    outputs = np.exp([1.0, 2.2, -3.0, 4.1])
    probability = np.exp(nats(model, ["e"], prompt="h"))
    assert probability == pytest.approx(outputs[1] / outputs.sum(), rel=1e-6)
    assert probability == pytest.approx(0.1251, abs=5e-5)


def test_inputs_are_one_hot_in_the_order_of_the_vocabulary():
    model = CharRNN(HELLO, cell="tanh", hidden_size=4, layers=1, bias=False)
    with torch.no_grad():
        model.layers[0].weight_ih_l0.copy_(torch.eye(4))
        model.layers[0].weight_hh_l0.zero_()
        model.head.weight.copy_(torch.eye(4))
        logits, _ = model(torch.tensor([[0, 1, 2, 3, -1]]))
    expected = np.tanh(np.concatenate([np.eye(4), np.zeros((1, 4))]))
    np.testing.assert_allclose(logits[0].numpy(), expected, atol=1e-7)


@pytest.fixture(scope="module")
def hello() -> CharRNN:
    """Return the lecture's model of three hidden units, trained on "hello" for a few steps."""
    model = CharRNN(HELLO, cell="tanh", hidden_size=3, layers=1, bias=False, seed=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        (-model.log_prob("hello", prompt="", grad=True).sum()).backward()
        optimizer.step()
    return model


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_after_training_on_hello_the_greedy_continuation_of_h_is_ello(hello, engine):
    greedy = {"top_k": 1}
    assert hello.sample(1, 4, prompt="h", controls=greedy, engine=engine) == ["ello"]
    assert hello.sample(3, prompt="he", controls={"top_k": 1, "stop": "o"}, engine=engine) == ["llo"] * 3


def test_training_on_hello_makes_it_likely(hello):
    fresh = CharRNN(HELLO, cell="tanh", hidden_size=3, layers=1, bias=False, seed=1)
    assert nats(fresh, "ello", prompt="h") < -4.0
    assert nats(hello, "ello", prompt="h") > -0.5


# ---- likelihood ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
def test_log_prob_equals_the_equations_in_float64(cell):
    model = sharp(cell)
    text = "hellohelleoohl"
    symbols = model.codec.encode(text)
    logits = logits_written_out(model, [-1, *symbols[:-1]])
    expected = sum(
        row[s] - np.log(np.exp(row - row.max()).sum()) - row.max()
        for row, s in zip(logits, symbols, strict=True)
    )
    assert nats(model, text) == pytest.approx(expected, abs=1e-10)
    assert nats(model.float(), text) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_log_prob_is_the_sum_of_its_conditionals(cell):
    model = sharp(cell)
    text = "hellohell"
    parts = [nats(model, text[k], prompt=text[:k]) for k in range(len(text))]
    assert nats(model, text) == pytest.approx(sum(parts), abs=1e-10)
    assert nats(model, text[4:], prompt=text[:4]) == pytest.approx(sum(parts[4:]), abs=1e-10)


@pytest.mark.parametrize("prompt", ["", "h", "hello" * 30], ids=["no prompt", "short prompt", "long prompt"])
def test_log_prob_does_not_depend_on_the_blocks_it_is_computed_in(prompt, monkeypatch):
    model = sharp("lstm")
    texts = ["hellohelleoohl" * 14, "olleh" * 30]
    whole = model.log_prob(texts, prompt=prompt).detach()
    monkeypatch.setattr(char_rnn, "_MOST_LOGITS", 1)
    torch.testing.assert_close(model.log_prob(texts, prompt=prompt).detach(), whole, atol=1e-10, rtol=0)
    parts = [nats(model, symbol, prompt=prompt + texts[1][:k]) for k, symbol in enumerate(texts[1])]
    assert float(whole[1]) == pytest.approx(sum(parts), abs=1e-9)


@pytest.mark.parametrize(
    ("x", "count"),
    [
        ("hello", 1),
        (["he", "hello"], 2),
        (np.array([0, 1, 2]), 1),
        (np.zeros((3, 4), int), 3),
        ([], 0),
        ("", 1),
    ],
    ids=["text", "texts", "symbols", "batch", "none", "empty"],
)
def test_log_prob_takes_texts_and_symbols(x, count):
    scores = CharRNN(HELLO, hidden_size=4, layers=1).log_prob(x)
    assert scores.shape == (count,)
    assert scores.dtype == torch.float64


def test_an_empty_text_is_certain():
    assert nats(CharRNN(HELLO, hidden_size=4), "") == 0.0


def test_log_prob_is_differentiable():
    model = CharRNN(HELLO, hidden_size=4, layers=1)
    model.log_prob(["hello", "hole"], grad=True).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


# ---- the model ----------------------------------------------------------------------------------------


def test_dropout_acts_only_with_a_generator_and_is_a_function_of_it():
    model = CharRNN(HELLO, cell="gru", hidden_size=16, layers=2, dropout=0.5)
    inputs = torch.tensor([[-1, 0, 1, 2, 2]])
    plain, _ = model(inputs)
    torch.testing.assert_close(model(inputs)[0], plain)
    one, two, three = (
        model(inputs, dropout_generator=torch.Generator().manual_seed(s))[0] for s in (1, 1, 2)
    )
    torch.testing.assert_close(one, two, atol=0, rtol=0)
    assert not torch.allclose(one, three)
    assert not torch.allclose(one, plain)


def test_initial_weights_are_a_function_of_the_seed_alone():
    torch.manual_seed(5)
    one = CharRNN(HELLO, hidden_size=6, seed=3).weights().hash
    torch.manual_seed(6)
    assert CharRNN(HELLO, hidden_size=6, seed=3).weights().hash == one
    assert CharRNN(HELLO, hidden_size=6, seed=4).weights().hash != one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocabulary": ""}, "vocabulary must"), ({"vocabulary": "aa"}, "'a' twice"),
        ({"cell": "relu"}, "cell must be one of 'tanh', 'gru', 'lstm'"), ({"hidden_size": 0}, "hidden_size must"),
        ({"layers": 0}, "layers must"), ({"dropout": 1.0}, "dropout must"), ({"dropout": -0.1}, "dropout must"),
        ({"seed": -1}, "seed must"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        CharRNN(**{"vocabulary": HELLO, "hidden_size": 4, **arguments})


@pytest.mark.parametrize(
    "vocabulary", ["helo", ["h", "é", "\n", "\0"], "bytes"], ids=["text", "list", "bytes"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_a_saved_model_loads_as_it_was(vocabulary, dtype, tmp_path):
    model = CharRNN(vocabulary, cell="gru", hidden_size=5, layers=2, dropout=0.25, bias=False).to(dtype)
    model.save(tmp_path / "model.safetensors")
    loaded = seqgen.load(tmp_path / "model.safetensors")
    assert loaded.config() == model.config()
    assert not loaded.training
    for name, array in model.arrays().items():
        assert loaded.arrays()[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays()[name], array)


def test_bfloat16_weights_are_used_as_they_are_stored(tmp_path):
    model = CharRNN(HELLO, cell="lstm", hidden_size=16, layers=2)
    path = tmp_path / "model.safetensors"
    model.save(path, precision="bfloat16")
    loaded = seqgen.load(path)
    assert loaded.weights().precision == "bfloat16"
    samples = loaded.sample(4, 30, seed=1)
    assert model.sample(4, 30, seed=1, precision="bfloat16") == samples
    assert loaded.sample(4, 30, seed=1, precision="float32") == samples
    assert loaded.sample(4, 30, seed=1, engine="torch") == samples


def test_a_prompt_with_an_unknown_character_says_what_is_known():
    with pytest.raises(ValueError, match=r"prompt: the text has the character 'x'.*it knows 'helo'"):
        CharRNN(HELLO, hidden_size=4).stream(1, 3, prompt="hex")


def test_parameters_that_are_not_finite_stop_a_stream():
    model = CharRNN(HELLO, hidden_size=4)
    model.head.weight.data[0, 0] = float("nan")
    with pytest.raises(SeqgenError, match=r"head\.weight is not finite"):
        model.stream(1, 3)
