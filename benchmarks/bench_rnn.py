"""Character RNNs: the fused sampler compared with common PyTorch loops.

The peers have the same weights. That both sides compute the same model is checked symbol by symbol: our symbols are
fed to the peer's network, whose log-probabilities must be ours. The weights are random; the speed does not depend on
them. The peer uses one core or all, whichever is faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import seqgen
from benchmarks.limits import limits
from benchmarks.side_by_side import Measured, faster_threads, limited_threads, side_by_side
from seqgen import CharRNN
from seqgen.checkpoint import from_bfloat16, to_bfloat16
from seqgen.threads import usable_threads

VOCABULARY = "".join(chr(code) for code in range(32, 128))  # 96 symbols
PRECISIONS = ("float32", "bfloat16")
CORES = usable_threads()
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]  # one-hot inputs (B, V), state -> logits (B, V), state


def model_of(hidden_size: int, precision: str) -> CharRNN:
    """Return a 2-layer LSTM whose weights are exact in `precision`, with a head that makes its distribution uneven."""
    model = CharRNN(VOCABULARY, cell="lstm", hidden_size=hidden_size, layers=2, seed=1).eval()
    with torch.no_grad():
        model.head.weight.mul_(16)
        if precision == "bfloat16":
            for parameter in model.parameters():
                parameter.copy_(parameter.bfloat16().float())
    return model


def cell_loop(model: CharRNN) -> Step:
    """Return a loop of `nn.LSTMCell`s, stepped manually."""
    cells = []
    for layer in model.layers:
        assert isinstance(layer, nn.LSTM)
        cell = nn.LSTMCell(layer.input_size, layer.hidden_size)
        cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
        cells.append(cell)

    def step(hidden: Tensor, state: Any) -> tuple[Tensor, Any]:
        after = []
        for k, cell in enumerate(cells):
            after.append(cell(hidden, None if state is None else state[k]))
            hidden = after[-1][0]
        return model.head(hidden), after

    return step


def lstm_loop(model: CharRNN) -> Step:
    """Return a loop of one `nn.LSTM` of two layers, called with sequences of length one."""
    first, second = model.layers
    assert isinstance(first, nn.LSTM)
    lstm = nn.LSTM(first.input_size, first.hidden_size, num_layers=2, batch_first=True)
    names = dict(first.state_dict())
    names.update({name.replace("_l0", "_l1"): value for name, value in second.state_dict().items()})
    lstm.load_state_dict(names)

    def step(hidden: Tensor, state: Any) -> tuple[Tensor, Any]:
        out, state = lstm(hidden[:, None], state)
        return model.head(out[:, 0]), state

    return step


PEERS: dict[str, Callable[[CharRNN], Step]] = {"nn.LSTMCell loop": cell_loop, "nn.LSTM loop": lstm_loop}


class PeerSampler:
    """Draws in the usual way: softmax, multinomial, feed the symbol back."""

    def __init__(self, step: Step, symbols: int, batch: int, count: int) -> None:
        self.step, self.batch, self.count = step, batch, count
        self.rows = torch.eye(symbols)
        self.hidden, self.state = torch.zeros(batch, symbols), None

    def __call__(self) -> int:
        """Draw `count` more symbols in every stream; return the total number."""
        drawn = []
        with torch.inference_mode():
            for _ in range(self.count):
                logits, self.state = self.step(self.hidden, self.state)
                symbols = torch.multinomial(torch.softmax(logits, -1), 1)[:, 0]
                self.hidden = self.rows[symbols]
                drawn.append(symbols)
            assert torch.stack(drawn).numpy().shape == (self.count, self.batch)
        return self.count * self.batch


def check_same_model(model: CharRNN, step: Step, length: int = 64) -> None:
    """Check that the peer gives the same log-probability to every symbol that our engine draws."""
    with model.stream(3, length, batch=3, log_probs=True, engine="numba") as stream:
        samples = stream.collect()
    symbols = np.stack([model.codec.encode("".join(c.data for c in chunks)) for chunks in samples.values()])
    ours = np.stack([np.concatenate([c.extra["log_prob"] for c in chunks]) for chunks in samples.values()])
    rows = torch.eye(model.codec.size)
    theirs, hidden, state = [], torch.zeros(3, model.codec.size), None
    with torch.inference_mode():
        for chosen in torch.as_tensor(symbols.T):
            logits, state = step(hidden, state)
            theirs.append(torch.log_softmax(logits, -1)[torch.arange(3), chosen].numpy())
            hidden = rows[chosen]
    np.testing.assert_allclose(ours, np.stack(theirs, 1), atol=2e-4, rtol=0)
    assert len(np.unique(symbols)) > 10, "the check is weak if few symbols occur"


def loss_of_rounding(hidden_size: int) -> float:
    """Return the nats per symbol that are lost by rounding these float32 weights to bfloat16.

    This is the mean Kullback–Leibler divergence of the next symbol's distribution, along samples of the float32 model.
    """
    model = model_of(hidden_size, "float32")
    rounded = CharRNN(VOCABULARY, cell="lstm", hidden_size=hidden_size, layers=2).eval()
    texts = model.sample(8, 128, seed=5, engine="numba")
    inputs = torch.as_tensor(np.stack([model.codec.encode(text) for text in texts]))
    with torch.inference_mode():
        for own, given in zip(rounded.parameters(), model.parameters(), strict=True):
            own.copy_(torch.as_tensor(from_bfloat16(to_bfloat16(given.numpy()))))
        exact, lossy = (torch.log_softmax(m(inputs)[0].double(), -1) for m in (model, rounded))
        return float((exact.exp() * (exact - lossy)).sum(-1).mean())


def measure(
    benchmark: Any, model: CharRNN, name: str, *, precision: str, peer: str, target: float | None = None,
    batch: int = 1, threads: int = 1, count: int, peer_count: int, rounds: int = 5,
) -> Measured:  # fmt: skip
    """Measure one row: `count` and `peer_count` are symbols of one stream per round."""
    # multiply-accumulates per symbol; the first layer's input product is the row of a table
    hidden_size, symbols = model.hidden_size, model.codec.size
    macs = (4 * hidden_size + (len(model.layers) - 1) * 8 * hidden_size + symbols) * hidden_size
    size = macs * (2 if precision == "bfloat16" else 4)
    chunk = min(count, 256)
    with limited_threads(threads):
        step = PEERS[peer](model)
        check_same_model(model, step)
        stream = model.stream(batch=batch, chunk=chunk, engine="numba", threads=threads, seed=3)

        def ours() -> int:
            return sum(len(next(stream).data) for _ in range(batch * count // chunk))

        tried = PeerSampler(step, symbols, batch, -(-peer_count // 4))
        made = side_by_side(
            benchmark, family="char-rnn",
            work=f"{name}, {batch} stream{'s' * (batch > 1)}, {precision} weights", unit="symbols",
            ours=ours, peer=PeerSampler(step, symbols, batch, peer_count), peer_name=peer,
            peer_threads=faster_threads(tried, sorted({1, CORES})), target=target, batch=batch,
            threads=threads, rounds=rounds, precision=precision,
        )  # fmt: skip
        stream.close()
        bound = limits(size, threads)
    gmacs = made.rate * macs / 1e9
    limit = bound.words(gmacs, made.rate * size / 1e9 if batch == 1 else None)
    benchmark.extra_info.update(limit=limit, gmacs=gmacs, peak_gmacs=bound.gmacs, peak_gbytes=bound.gbytes)
    return made


def measure_lstm(benchmark: Any, hidden_size: int, precision: str, **arguments: Any) -> None:
    """Measure a row of the 2-layer LSTM with 96 symbols."""
    name = f"LSTM 2×{hidden_size}, {len(VOCABULARY)} symbols"
    measure(benchmark, model_of(hidden_size, precision), name, precision=precision, **arguments)
    if precision == "bfloat16":
        loss = loss_of_rounding(hidden_size)
        benchmark.extra_info["note"] = f"rounding the weights to bfloat16 costs {loss:.1e} nats per symbol"


@pytest.mark.parametrize("precision", PRECISIONS)
def bench_lstm_2x128(benchmark: Any, precision: str) -> None:
    measure_lstm(benchmark, 128, precision, peer="nn.LSTMCell loop", target=8, count=10240, peer_count=1000)


@pytest.mark.parametrize("precision", PRECISIONS)
def bench_lstm_2x512_cell(benchmark: Any, precision: str) -> None:
    measure_lstm(benchmark, 512, precision, peer="nn.LSTMCell loop", target=2.5, count=1536, peer_count=300)


@pytest.mark.parametrize("precision", PRECISIONS)
def bench_lstm_2x512_lstm(benchmark: Any, precision: str) -> None:
    measure_lstm(benchmark, 512, precision, peer="nn.LSTM loop", target=20, count=1536, peer_count=40)


@pytest.mark.parametrize("precision", PRECISIONS)
def bench_lstm_2x512_64_streams(benchmark: Any, precision: str) -> None:
    measure_lstm(
        benchmark, 512, precision, peer="nn.LSTM loop", target=1.5, batch=64, threads=CORES, count=64,
        peer_count=16,
    )  # fmt: skip


@pytest.mark.parametrize("batch", [1, 16])
def bench_shakespeare(benchmark: Any, batch: int) -> None:
    """Measure the built-in model, as it is stored."""
    model = seqgen.load("shakespeare")
    assert isinstance(model, CharRNN)
    measure(
        benchmark, model, "built-in shakespeare", precision=model.weights().precision, batch=batch,
        threads=min(batch, CORES), peer="nn.LSTMCell loop", count=1024, peer_count=100,
    )  # fmt: skip
