"""One trial: a changed file or state, used as a user would, and the judgement of what happened.

Allowed is one SeqgenError or ValueError, or chunks with the shapes that the configuration declares, the same in a heap
with other contents (a difference means that memory was read that was never written). Anything else is a fault: another
exception, a signal, too much time or memory.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqgen import AutoEncoder, pretrained
from seqgen.errors import SeqgenError
from seqgen.packed import digest, pack, unpack
from seqgen.registry import FAMILIES, family
from seqgen.streaming import Stream
from tests.conformance.running import log_prob
from tests.fuzzing.changes import changed_arrays, changed_json, pick, with_other_layout, with_other_values
from tests.fuzzing.forging import damaged_bytes, forged
from tests.fuzzing.subjects import Subject, random_arrays

SECONDS = 2.0
"""CPU seconds that a refusal may take, without those of loading or compiling kernels."""

MEGABYTES = 500
"""Memory that a trial may take."""

ENOUGH = 1.0
"""CPU seconds after which a stream that works has been watched for long enough."""

_M_PERTURB = (
    -6
)  # of mallopt: fills memory with a byte when it is allocated, and with its complement when it is freed


@dataclass(frozen=True)
class Recorded:
    """What was recorded of a subject by streaming from it: a state for each request, and one sample."""

    states: tuple[
        tuple[dict[str, Any], str], ...
    ]  # arguments of the stream and of the request, state as JSON
    sample: Any


@dataclass(frozen=True)
class Outcome:
    """What came of a trial: "refused", "streamed", "loaded" or "fault"; `same` holds a hash of every chunk."""

    kind: str
    change: str
    said: str = ""
    same: tuple[str, ...] = ()
    seconds: float = 0.0
    megabytes: float = 0.0


def arguments(rng: np.random.Generator, length: int) -> dict[str, Any]:
    """Return a random request."""
    return {
        "n": int(rng.integers(1, 4)),
        "length": int(rng.integers(1, length + 1)),
        "batch": int(rng.integers(1, 4)),
        "chunk": int(rng.integers(1, 6)),
        "seed": int(rng.integers(2**63)),
        "log_probs": bool(rng.integers(2)),
        "threads": 1,
    }


class Trial:
    """A change of a subject, made by `prepare`, and its use."""

    def __init__(self, subject: Subject, recorded: Recorded, rng: np.random.Generator, folder: Path) -> None:
        self.subject, self.recorded, self.rng, self.folder = subject, recorded, rng, folder
        kinds = ["configuration", "arrays", "arrays", "random"] * 3 + ["file"] * 2
        kinds += ["state"] * 5 if recorded.states else []
        self.change: str = pick(rng, kinds)
        self.state: Any = None
        self.weights = subject.weights
        self.config: Any = subject.weights.config
        self.load = not subject.engines or (self.change != "state" and rng.random() < 0.15)
        self.request: dict[str, Any] = {}
        self.path = folder / "changed.safetensors"

    # ---- the change -------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the changed state, or write the changed file."""
        rng, weights = self.rng, self.subject.weights
        if self.change == "state":
            number, state = pick(rng, self.recorded.states)
            self.request = {**number}
            self.state = changed_state(json.loads(state), rng)
            return
        self.request = arguments(rng, self.subject.length)
        self.request |= {"engine": pick(rng, (*self.subject.engines[:1] * 5, *self.subject.engines, "auto"))}
        plain = dict(self.subject.requests[0])
        plain.pop("log_probs", None)
        self.request |= plain
        arrays: Mapping[str, np.ndarray] = dict(weights.arrays)
        name: Any = weights.family
        if self.change in ("configuration", "random"):
            self.config = changed_json(weights.config, rng)
        if self.change == "arrays":
            arrays = changed_arrays(dict(arrays), rng)
        elif self.change == "random":
            arrays = self._random(arrays)
        elif self.change == "configuration" and rng.random() < 0.1:
            name = pick(rng, (*FAMILIES, None, 7, [], "", "os:system"))
        blob = forged(name, self.config, arrays)
        self.path.write_bytes(damaged_bytes(blob, rng) if self.change == "file" else blob)

    def _random(self, arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return random arrays for the changed configuration, or for the unchanged one if that is refused."""
        for config in (self.config, self.subject.weights.config):
            self.config = config
            try:
                made = random_arrays(FAMILIES[self.subject.family].schema_of(config), self.rng)
            except (SeqgenError, ValueError):
                continue
            if made is not None:
                return made
        return arrays

    # ---- its use ----------------------------------------------------------------------------------------

    def use(self) -> tuple[str, tuple[str, ...]]:
        """Use the file or state; return what was done and hashes of what came out, or raise an error."""
        if self.state is not None:
            stream = Stream(self.weights, **self.request)
            stream.load_state_dict(self.state)
            return "streamed", self._watch(stream)
        if not self.subject.engines:
            model = AutoEncoder.load(self.path)
            error = model.score(np.zeros((2, *model.codec.shape), np.int64))
            return "loaded", (repr(error >= 0),)
        weights = pretrained.find(self.path)
        if not self.load:
            return "streamed", self._watch(Stream(weights, **self.request))
        loaded = family(weights.family).model_class().from_weights(weights)
        return "loaded", (repr(log_prob(loaded, [self.recorded.sample], **self._condition()).shape),)

    def _condition(self) -> dict[str, Any]:
        value = self.request.get("condition")
        return {} if value is None else {"condition": value(0) if callable(value) else value}

    def _watch(self, stream: Stream) -> tuple[str, ...]:
        """Check the shapes of the chunks, and return their hashes, of as many as there were in the time."""
        found = []
        began = time.process_time()
        with stream:
            for chunk in stream:
                require_shapes(self.config, self.request, chunk)
                named = {name: np.asarray(value).tobytes() for name, value in sorted(chunk.extra.items())}
                data = chunk.data.tobytes() if isinstance(chunk.data, np.ndarray) else repr(chunk.data)
                whole = repr((chunk.index, chunk.offset, data, chunk.last, named))
                found.append(hashlib.sha256(whole.encode()).hexdigest())
                if time.process_time() - began > ENOUGH:
                    break
        return tuple(found)


def require_shapes(config: Any, request: Mapping[str, Any], chunk: Any) -> None:
    """Raise AssertionError unless a chunk has the type and the shape that the configuration declares."""
    codec, data = config["codec"], chunk.data
    most = min(request["chunk"], request["length"] or 2**62)
    kind = codec["name"]
    assert 0 <= chunk.offset <= (request["length"] or 2**62), chunk.offset
    if kind == "pixels":
        channels, rows, columns = codec["shape"]
        assert data.shape in [(channels, k, columns) for k in range(min(most, rows) + 1)], data.shape
        assert data.dtype == np.uint8, data.dtype
        assert not data.size or data.max() < codec["levels"], data.max()
    elif kind in ("characters", "words", "bytes", "tokens"):
        assert isinstance(data, str), type(data)
    elif kind == "symbols":
        assert isinstance(data, list), type(data)
        assert len(data) <= most, len(data)
        assert all(item in codec["vocabulary"] for item in data), data
    else:
        inner = (
            (codec["dimensions"],) if codec.get("dimensions") else data.shape[1:] if kind == "strokes" else ()
        )
        assert data.shape[1:] == inner, data.shape
        assert len(data) <= most + 1, data.shape  # strokes also have the point where they begin
        assert data.dtype.kind in "fiu", data.dtype
    for name in ("log_prob", "log_prob_drawn"):
        values = chunk.extra.get(name)
        assert (values is not None) == request["log_probs"], name
        if values is not None:
            assert len(values) <= most, values.shape
            assert not np.isnan(values).any(), name


def changed_state(state: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return a state with a random change and a right digest."""
    if rng.random() < 0.4:
        del state["digest"]
        state = changed_json(state, rng)
    else:
        packed = [(state["caches"], name) for name in state["caches"]]
        for piece in state["waiting"]:
            packed += [(piece, "symbols"), *((piece["extra"], name) for name in piece["extra"])]
        place, name = pick(rng, packed)
        change = with_other_values if rng.random() < 0.75 else with_other_layout
        place[name] = pack(change(unpack(place[name]), rng))
    if isinstance(state, dict):
        state["digest"] = digest(state)
    return state


# ---- judgement ------------------------------------------------------------------------------------------


def judged(trial: Trial, perturb: int, compiling: dict[str, float]) -> Outcome:
    """Carry out a trial in this process, which is a child made for it.

    Args:
        perturb: the byte with which memory is filled when it is allocated.
        compiling: CPU seconds spent compiling so far, under "seconds"; not counted.
    """
    if hasattr(ctypes.CDLL(None), "mallopt"):
        ctypes.CDLL(None).mallopt(_M_PERTURB, perturb)
    trial.prepare()
    Path("/proc/self/clear_refs").write_text("5")
    before, began = _peak(), time.process_time() - compiling["seconds"]
    kind, said = "", ""
    same: tuple[str, ...] = ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind, same = trial.use()
    except (SeqgenError, ValueError) as error:
        kind, said = "refused", f"{type(error).__name__}: {error}"
        if "do not fit into the memory" in said:
            kind = "fault"
    except BaseException:
        kind, said = "fault", traceback.format_exc()
    took = time.process_time() - compiling["seconds"] - began
    grown = _peak() - before
    limit = SECONDS if kind == "refused" else 5 * SECONDS
    if kind != "fault" and took > limit:
        kind, said = "fault", f"{kind} after {took:.1f} CPU seconds; {said[:300]}"
    if kind != "fault" and grown > MEGABYTES:
        kind, said = "fault", f"{kind} after taking {grown:.0f} MB; {said[:300]}"
    return Outcome(kind, trial.change, said[-3000:], same, took, grown)


def _peak() -> float:
    """Return the largest resident size of this process so far, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def record(subject: Subject) -> Recorded:
    """Stream each request of a subject from each engine, and record a state in the middle."""
    states = []
    for engine in subject.engines:
        for request in subject.requests:
            for log_probs in (False, True):
                given = {"n": 3, "length": subject.length, "batch": 2, "chunk": 3, "seed": 5, "threads": 1}
                given |= {**request, "engine": engine, "log_probs": log_probs}
                stream = Stream(subject.weights, **given)
                for step, _ in enumerate(stream):
                    if step in (0, 3):
                        states.append((given, json.dumps(stream.state_dict())))
                        if engine != subject.engines[0] and step == 3:
                            break
    sample = None
    if subject.engines:
        model = family(subject.family).model_class().from_weights(subject.weights)
        given = {k: v for k, v in subject.requests[0].items() if k == "condition"}
        sample = next(iter(model.sample(1, subject.length, seed=1, **given)))
        log_prob(model, [sample], **{k: v(0) if callable(v) else v for k, v in given.items()})
    return Recorded(tuple(states), sample)
