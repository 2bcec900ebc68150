"""Character RNNs: the fused sampler compared with common PyTorch loops.

The peers have the same weights. That both sides compute the same model is checked symbol by symbol: our symbols are
fed to the peer's network, whose log-probabilities must be ours. The weights are random; the speed does not depend on
them. The peer uses one core or all, whichever is faster.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import seqgen
from benchmarks.limits import limits
from benchmarks.rnn_peers import LeanLoop, Step, cell_loop, lstm_loop
from benchmarks.side_by_side import Measured, Work, limited_threads, side_by_side
from benchmarks.ways import fastest_way
from seqgen import CharRNN
from seqgen.checkpoint import from_bfloat16, to_bfloat16
from seqgen.threads import usable_threads

VOCABULARY = "".join(chr(code) for code in range(32, 128))  # 96 symbols
PRECISIONS = ("float32", "bfloat16")
CORES = usable_threads()


def model_of(hidden_size: int, precision: str) -> CharRNN:
    """Return a 2-layer LSTM whose weights are exact in `precision`, with a head that makes its distribution uneven."""
    model = CharRNN(VOCABULARY, cell="lstm", hidden_size=hidden_size, layers=2, seed=1).eval()
    with torch.no_grad():
        model.head.weight.mul_(16)
        if precision == "bfloat16":
            for parameter in model.parameters():
                parameter.copy_(parameter.bfloat16().float())
    return model


# with one-hot inputs; the second is "the library's way", as it is usually written
STEPS: dict[str, Callable[[CharRNN], Step]] = {
    "nn.LSTMCell loop": cell_loop,
    "nn.LSTM loop": lstm_loop,
    "nn.LSTM loop without oneDNN": partial(lstm_loop, onednn=False),
}
LEAN = "lean PyTorch loop"


def draw(logits: Tensor, noise: Tensor) -> Tensor:
    """Draw symbols (B,) by a race of exponentials, several times as fast as `torch.multinomial`."""
    return torch.softmax(logits, -1).div_(noise.exponential_()).argmax(-1)


class PeerSampler:
    """Draws in the usual way: softmax, draw, feed the symbol back."""

    def __init__(self, step: Step, symbols: int, batch: int, count: int) -> None:
        self.step, self.batch, self.count = step, batch, count
        self.rows, self.noise = torch.eye(symbols), torch.empty(batch, symbols)
        self.hidden, self.state = torch.zeros(batch, symbols), None

    @torch.inference_mode()
    def __call__(self) -> int:
        """Draw `count` more symbols in every stream; return the total number."""
        drawn = torch.empty(self.count, self.batch, dtype=torch.int64)
        for place in drawn:
            logits, self.state = self.step(self.hidden, self.state)
            symbols = draw(logits, self.noise)
            self.hidden = self.rows[symbols]
            place.copy_(symbols)
        return drawn.numel()


class LeanSampler:
    """The same with `LeanLoop`."""

    def __init__(self, model: CharRNN, batch: int, count: int) -> None:
        self.loop, self.count = LeanLoop(model, batch), count
        self.symbols: Tensor | None = None
        self.noise = torch.empty(batch, model.codec.size)

    @torch.inference_mode()
    def __call__(self) -> int:
        """Draw `count` more symbols in every stream; return the total number."""
        drawn = torch.empty(self.count, len(self.noise), dtype=torch.int64)
        for place in drawn:
            self.symbols = draw(self.loop.step(self.symbols), self.noise)
            place.copy_(self.symbols)
        return drawn.numel()


def ways_of(model: CharRNN, peer: str, batch: int, count: int) -> dict[str, Work]:
    """Return the ways of a peer."""
    if peer == LEAN:
        return {LEAN: LeanSampler(model, batch, count)}
    return {peer: PeerSampler(STEPS[peer](model), model.codec.size, batch, count)}


def check_same_model(model: CharRNN, peer: str, length: int = 64) -> None:
    """Check that the peer gives the same log-probability to every symbol that our engine draws."""
    with model.stream(3, length, batch=3, log_probs=True, engine="numba") as stream:
        samples = stream.collect()
    symbols = np.stack([model.codec.encode("".join(c.data for c in chunks)) for chunks in samples.values()])
    ours = np.stack([np.concatenate([c.extra["log_prob"] for c in chunks]) for chunks in samples.values()])
    rows = torch.eye(model.codec.size)
    hidden, state, before = torch.zeros(3, model.codec.size), None, None
    step = None if peer == LEAN else STEPS[peer](model)
    lean, theirs = LeanLoop(model, 3), []
    with torch.inference_mode():
        for chosen in torch.as_tensor(symbols.T):
            if step is None:
                logits = lean.step(before)
            else:
                logits, state = step(hidden, state)
            theirs.append(torch.log_softmax(logits, -1)[torch.arange(3), chosen].numpy())
            hidden, before = rows[chosen], chosen
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
        check_same_model(model, peer)
        stream = model.stream(batch=batch, chunk=chunk, engine="numba", threads=threads, seed=3)

        def ours() -> int:
            return sum(len(next(stream).data) for _ in range(batch * count // chunk))

        way = fastest_way(ways_of(model, peer, batch, -(-peer_count // 4)), [1, CORES])
        made = side_by_side(
            benchmark, family="char-rnn",
            work=f"{name}, {batch} stream{'s' * (batch > 1)}, {precision} weights", unit="symbols",
            ours=ours, peer=ways_of(model, peer, batch, peer_count)[peer], peer_name=peer,
            peer_threads=way.threads, target=target, batch=batch,
            threads=threads, rounds=rounds, precision=precision, note=way.note,
        )  # fmt: skip
        stream.close()
        bound = limits(size, threads)
    gmacs = made.rate * macs / 1e9
    limit = bound.words(gmacs, made.rate * size / 1e9 if batch == 1 else None, ratio=made.ratio)
    benchmark.extra_info.update(limit=limit, gmacs=gmacs, peak_gmacs=bound.gmacs, peak_gbytes=bound.gbytes)
    return made


def measure_lstm(benchmark: Any, hidden_size: int, precision: str, **arguments: Any) -> None:
    """Measure a row of the 2-layer LSTM with 96 symbols."""
    name = f"LSTM 2×{hidden_size}, {len(VOCABULARY)} symbols"
    measure(benchmark, model_of(hidden_size, precision), name, precision=precision, **arguments)
    if precision == "bfloat16":
        loss = loss_of_rounding(hidden_size)
        benchmark.extra_info["note"] += f"; rounding the weights to bfloat16 costs {loss:.1e} nats per symbol"


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("peer", "target"), [("nn.LSTMCell loop", 8), (LEAN, None)])
def bench_lstm_2x128(benchmark: Any, peer: str, target: float | None, precision: str) -> None:
    measure_lstm(benchmark, 128, precision, peer=peer, target=target, count=10240, peer_count=1000)


@pytest.mark.parametrize("precision", PRECISIONS)
def bench_lstm_2x512_cell(benchmark: Any, precision: str) -> None:
    measure_lstm(benchmark, 512, precision, peer="nn.LSTMCell loop", target=2.5, count=1536, peer_count=300)


@pytest.mark.parametrize("precision", PRECISIONS)
def bench_lstm_2x512_lean(benchmark: Any, precision: str) -> None:
    measure_lstm(benchmark, 512, precision, peer=LEAN, count=1536, peer_count=400)


@pytest.mark.parametrize("precision", PRECISIONS)
def bench_lstm_2x512_lstm(benchmark: Any, precision: str) -> None:
    """nn.LSTM as it is: with oneDNN, which packs the weights in every call."""
    measure_lstm(benchmark, 512, precision, peer="nn.LSTM loop", target=20, count=1536, peer_count=40)


@pytest.mark.parametrize("precision", PRECISIONS)
def bench_lstm_2x512_lstm_without_onednn(benchmark: Any, precision: str) -> None:
    measure_lstm(benchmark, 512, precision, peer="nn.LSTM loop without oneDNN", count=1536, peer_count=200)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("peer", "target"), [("nn.LSTM loop", 1.5), (LEAN, None)])
def bench_lstm_2x512_64_streams(benchmark: Any, peer: str, target: float | None, precision: str) -> None:
    measure_lstm(
        benchmark, 512, precision, peer=peer, target=target, batch=64, threads=CORES, count=64, peer_count=16
    )


@pytest.mark.parametrize("batch", [1, 16])
def bench_shakespeare(benchmark: Any, batch: int) -> None:
    """Measure the built-in model, as it is stored."""
    model = seqgen.load("shakespeare")
    assert isinstance(model, CharRNN)
    measure(
        benchmark, model, "built-in shakespeare", precision=model.weights().precision, batch=batch,
        threads=min(batch, CORES), peer="nn.LSTMCell loop", count=1024, peer_count=100,
    )  # fmt: skip
