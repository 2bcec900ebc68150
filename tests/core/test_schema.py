"""Errors of schemas, which are raised before anything is imported, allocated or compiled."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqgen
from seqgen import pretrained
from seqgen.checkpoint import Weights, from_bfloat16, save_weights, to_bfloat16
from seqgen.codecs import Bytes, Characters, Integers
from seqgen.configuration import Boolean, Choice, Configuration, Integer, Real, read_codec
from seqgen.errors import SeqgenError
from seqgen.evaluation.held_out import held_out
from seqgen.fields import Field, affine, described, prefixed
from seqgen.registry import FAMILIES, validated
from seqgen.schema import Schema, log_probs
from seqgen.training.starting import begin_with

Change = Callable[[dict[str, Any], dict[str, np.ndarray]], None]


def changed(name: str, change: Change) -> Weights:
    """Return a built-in model after `change` was applied to its configuration and its arrays."""
    weights = pretrained.find(name)
    config, arrays = json.loads(json.dumps(weights.config)), dict(weights.arrays)
    change(config, arrays)
    return Weights(weights.family, config, arrays, {}, weights.precision)


def refusal(weights: Weights, most: int = 1 << 24) -> str:
    """Return the error message for a model, raised without allocating more than `most` bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(SeqgenError) as error:
            validated(weights)
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
    return str(error.value)


# ---- messages -------------------------------------------------------------------------------------------


def _wider(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    config.update(hidden_size=16384, layers=1)
    arrays["layers.0.weight_ih_l0"] = np.zeros((65536, 65), np.float32)
    arrays["layers.0.weight_hh_l0"] = np.zeros((16384, 1), np.float32)
    arrays["layers.0.bias_ih_l0"] = arrays["layers.0.bias_hh_l0"] = np.zeros(65536, np.float32)


def _set(**entries: Any) -> Change:
    return lambda config, arrays: config.update(entries)


def _with(name: str, of: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda config, arrays: arrays.update({name: of(arrays[name])})


def _put(name: str, value: Any, *place: int) -> Change:
    def changed(array: np.ndarray) -> np.ndarray:
        copy = array.copy()
        copy[place] = value
        return copy

    return _with(name, changed)


def _image_of(rows: int, columns: int) -> Change:
    return lambda config, arrays: config["codec"].update(shape=[1, rows, columns])


def _angles(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    config["codec"]["angles"] = 10**8


def _all_but_one_unseen(counts: np.ndarray) -> np.ndarray:
    rare = np.zeros(len(counts), np.uint64)
    rare[0] = np.iinfo(np.uint64).max
    return rare


REFUSED = {
    "hidden_size": (
        "shakespeare", _wider,
        "layers.0.weight_hh_l0 has the shape (16384, 1), a char-rnn with cell 'lstm' and hidden_size 16384 needs "
        "(65536, 16384)",
    ),
    "small and wide": (
        "shakespeare", _set(hidden_size=9000),
        "layers.0.weight_ih_l0 has the shape (1280, 65), a char-rnn with cell 'lstm', symbols 65 and hidden_size 9000 "
        "needs (36000, 65)",
    ),
    "skip_channels": (
        "speech", _set(skip_channels=96000),
        "skip.weight has the shape (96, 960), a wavenet with layers 20, gate_channels 96 and skip_channels 96000 needs "
        "(96000, 960)",
    ),
    "rows": (
        "digits-pixelcnn", _image_of(65537, 28),
        "the codec 'pixels' is wrong: rows must be at most 65536, got 65537",
    ),
    "fewer rows": (
        "digits-pixelcnn", _image_of(6553, 28),
        "row_bias has the shape (28, 256), a pixel-cnn with rows 6553, columns 28 and channels 64 needs (6553, 256)",
    ),
    "dimensions": (
        "digits-nade", _image_of(2800, 28),
        "the configuration is wrong: shape must have as many pixels times colours as there are dimensions, 784, got "
        "(1, 2800, 28)",
    ),
    "dtype": (
        "digit-strokes", _with("transition", lambda a: a.astype(np.int8)),
        "transition is of int8, it must be of float32 or float64",
    ),
    "infinity": (
        "digit-strokes", _put("transition", np.inf, 3, 4), "transition is not finite: it has inf at [3, 4]",
    ),
    "negative": (
        "digit-strokes", _put("emission.probabilities", -0.25, 0, 7),
        "emission.probabilities must be at least 0, it has -0.25 at [0, 7]",
    ),
    "sum": (
        "weather", _put("transition", 0.9, 1, 0), "row 1 of transition sums to 1.7, it must sum to 1",
    ),
    "angles": (
        "digit-strokes", _angles,
        "the codec 'strokes' is wrong: angles must be at most 65536, got 100000000",
    ),
    "counts": (
        "shakespeare-markov", _with("counts", _all_but_one_unseen), "counts must be at least 1, it has 0 at 1",
    ),
    "hop": ("vocoder", _set(hop=10**9), "the configuration is wrong: hop must be at most 65536, got 1000000000"),
    "no array": (
        "shakespeare", lambda config, arrays: arrays.pop("head.bias"),
        "there is no array head.bias, which a char-rnn with symbols 65 and hidden_size 320 needs",
    ),
    "foreign array": (
        "weather", lambda config, arrays: arrays.update(more=np.ones(1)),
        "there is an array 'more', which a markov of this configuration does not have",
    ),
    "no entry": (
        "shakespeare", lambda config, arrays: config.pop("cell"),
        "the configuration has no entry 'cell', which the family 'char-rnn' needs",
    ),
    "foreign entry": (
        "shakespeare", _set(flavour=1),
        "the configuration has an entry 'flavour', which the family 'char-rnn' does not know; it knows codec, cell, "
        "hidden_size, layers, dropout, bias",
    ),
    "bool": (
        "shakespeare", _set(layers=True), "the configuration is wrong: layers must be an integer, got True",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_wrong_is_said_with_where_it_is_and_what_would_be_right(what):
    name, change, words = REFUSED[what]
    assert refusal(changed(name, change)) == words


def test_the_memory_of_a_lane_is_bounded_by_that_of_the_file():
    """A WaveNet of 24 layers, one channel and 64 taps takes 20 kB, and its ring buffers would take 4 GB."""
    small = seqgen.WaveNet(24, 4, 1, 2, 1, kernel_size=64, levels=2).weights()
    assert validated(small).family == "wavenet"
    large = Weights("wavenet", {**small.config, "cycle": 24}, small.arrays)
    assert "requires 4096 MiB of memory for each sample in progress, the most is 256 MiB" in refusal(large)
    wide = seqgen.PixelCNN((1, 2, 2), channels=32, layers=16).weights()
    wide.config["codec"]["shape"] = [1, 2, 65536]
    assert "MiB of memory for each sample in progress" in refusal(wide)


def test_vectors_of_no_dimensions_have_no_normal_distribution():
    for model in (
        seqgen.GaussianMixture([1.0], [[0.0]], [[1.0]]),
        seqgen.HMM([1.0], [[1.0]], seqgen.Gaussian([[0.0]], [[1.0]])),
    ):
        weights = model.weights()
        bare = {**weights.config, "codec": {**weights.config["codec"], "dimensions": 0}}
        assert "dimension" in refusal(Weights(weights.family, bare, weights.arrays))


def test_poisson_tables_are_bounded():
    model = seqgen.HMM(np.full(400, 1 / 400), np.full((400, 400), 1 / 400), seqgen.Poisson(np.full(400, 1e6)))
    validated(model.weights())
    with pytest.raises(
        SeqgenError, match="400 Poisson rates, the largest of which is 1e\\+06, cannot be drawn"
    ):
        model.stream(n=1, length=1)


# ---- n-grams --------------------------------------------------------------------------------------------


def chain(**options: Any) -> Weights:
    return seqgen.MarkovChain(order=2, **options).fit(["abcab", "cab"]).weights()


@pytest.mark.parametrize("boundaries", [True, False])
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
def test_trees_of_any_kind_are_right(boundaries, smoothing):
    validated(chain(boundaries=boundaries, smoothing=smoothing))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("children.0", np.array([1, 1, 1, 9]), "children.0 adds up to 12, symbols.1 has"),
        ("counts", np.array([2**62, 2**62]), "counts add up to more than an integer can hold"),
        (
            "symbols.0",
            np.array([3]),
            "symbols.0 has the end of a sequence, which can only be the last symbol",
        ),
        ("symbols.0", np.array([1, 0]), "symbols.0 must ascend"),
        ("symbols.1", np.array([3]), "symbols.1 has the end of a sequence"),
        ("symbols.1", np.array([4]), "symbols.1 has the padding of a sequence after a symbol"),
        ("symbols.2", np.array([4]), "symbols.2 must be at most 3, it has 4 at 0"),
        ("symbols.2", np.array([1, 2]), "symbol 3 is never counted, so its probability is undefined"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_tree_that_no_text_could_have_is_refused(name, value, words):
    weights = chain()
    wide = {"counts": np.uint64}
    arrays = {key: array.astype(wide.get(key, np.uint32)) for key, array in weights.arrays.items()}
    arrays[name][: len(value)] = value
    assert words in refusal(Weights("markov", weights.config, arrays))


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        # every n-gram begins a sequence and is padded twice, so that none has full length
        ((2, 1, 2, 2), "no sequence is long enough for the order 2"),
        ((0, 1, 0, 2), "no sequence has padding, although there are boundaries"),
    ],
)  # fmt: skip
def test_a_tree_without_its_longest_or_its_first_n_grams_is_refused(nodes, words):
    config = {
        "codec": {"name": "characters", "vocabulary": "a"},
        "order": 2,
        "smoothing": None,
        "boundaries": True,
    }
    names = ("symbols.0", "children.0", "symbols.1", "children.1")
    tree = {name: np.array([value], np.uint8) for name, value in zip(names, nodes, strict=True)}
    tree |= {"symbols.2": np.array([0, 1], np.uint8), "counts": np.array([1, 1], np.uint8)}
    assert words in refusal(Weights("markov", config, tree))


# ---- every entry point ----------------------------------------------------------------------------------


def test_every_way_from_a_file_to_a_model_or_an_engine_is_guarded(tmp_path):
    path, text = tmp_path / "bent.safetensors", tmp_path / "a.txt"
    text.write_text("to be or not")
    model = seqgen.CharRNN("tobern \n", hidden_size=4, layers=1)
    whole = model.weights()
    arrays = {**whole.arrays, "head.weight": whole.arrays["head.weight"].T}
    save_weights(Weights(whole.family, whole.config, arrays), path)
    words = rf"{path}: head\.weight has the shape \(4, 8\), a char-rnn with symbols 8 and hidden_size 4 needs"
    ways: Mapping[str, Callable[[], Any]] = {
        "find": lambda: pretrained.find(path),
        "load": lambda: seqgen.load(path),
        "stream": lambda: seqgen.stream(path, n=1, length=3),
        "a model's own load": lambda: seqgen.CharRNN.load(path),
        "evaluation": lambda: held_out(path, text),
        "start of a training": lambda: begin_with(model, str(path)),
    }
    for way in ways.values():
        with pytest.raises(SeqgenError, match=words):
            way()
    done = subprocess.run(
        [sys.executable, "-m", "seqgen", "stream", str(path), "-n1", "--length", "5"], capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "head.weight has the shape" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_refused_needs_neither_torch_nor_numba(tmp_path):
    """Load one damaged file of every built-in family, and the schemas of all of them, in a fresh process."""
    for name in pretrained.names():
        weights = pretrained.find(name)
        last = sorted(weights.arrays)[-1]
        arrays = {**weights.arrays, last: weights.arrays[last][..., None]}
        save_weights(Weights(weights.family, weights.config, arrays), tmp_path / f"{name}.safetensors")
    program = """
import sys, seqgen
from pathlib import Path
from seqgen.registry import FAMILIES, resolve
for family in FAMILIES.values():
    resolve(family.schema)
for path in sorted(Path(sys.argv[1]).iterdir()):
    for way in (seqgen.load, seqgen.stream):
        try:
            way(path)
        except seqgen.SeqgenError:
            print(path.stem)
print([module for module in ("torch", "numba", "llvmlite", "scipy") if module in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *refused, modules = done.stdout.splitlines()
    assert sorted(refused) == sorted([*pretrained.names()] * 2)
    assert modules == "[]"


@pytest.mark.parametrize(
    ("field", "value"), [("family", 3), ("config", []), ("card", "none"), ("precision", "float8")]
)
def test_a_description_of_the_wrong_kind_is_corrupted_even_under_a_right_hash(field, value, tmp_path):
    from seqgen import checkpoint

    path = tmp_path / "model.safetensors"
    save_weights(pretrained.find("weather"), path)
    blob = path.read_bytes()
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + size])
    description = json.loads(header["__metadata__"]["seqgen"]) | {field: value}
    description["digest"] = checkpoint._digest(description)
    header["__metadata__"]["seqgen"] = json.dumps(description)
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + blob[8 + size :])
    with pytest.raises(SeqgenError, match=f"is corrupted.*{field} must be"):
        seqgen.stream(path)


def test_a_file_is_held_against_its_schema_once(monkeypatch):
    checks = []
    check = Schema.check
    monkeypatch.setattr(
        Schema, "check", lambda self, *given: (checks.append(self.family), check(self, *given))
    )
    seqgen.stream("weather", n=1, length=2)
    assert checks == ["markov"]


# ---- the parts ------------------------------------------------------------------------------------------

TOY = Configuration(
    "toy",
    ("bytes", "characters"),
    {
        "width": Integer(most=99),
        "taps": Integer(low=3, odd=True),
        "dropout": Real(low=0.0, below=1.0),
        "kind": Choice(("row", "diagonal"), default="row"),
        "gated": Boolean(optional=True),
    },
)
GIVEN: dict[str, Any] = {"width": 3, "taps": 5, "dropout": 0.0, "kind": "diagonal", "gated": True}
CODEC = {"name": "bytes"}


def test_a_configuration_is_read_as_a_constructor_is_checked():
    codec, given = TOY.read({"codec": CODEC, **GIVEN})
    assert isinstance(codec, Bytes)
    assert given == TOY.check(Bytes(), **GIVEN) == GIVEN
    older = {name: value for name, value in GIVEN.items() if name != "kind"}
    assert TOY.read({"codec": CODEC, **older})[1]["kind"] == "row"
    assert TOY.read({"codec": CODEC, **GIVEN, "gated": None})[1]["gated"] is None


@pytest.mark.parametrize(
    ("entry", "value", "error", "words"),
    [
        ("width", 0, ValueError, "width must be at least 1, got 0"),
        ("width", 100, ValueError, "width must be at most 99, got 100"),
        ("width", 3.0, TypeError, "width must be an integer, got 3.0"),
        ("taps", 4, ValueError, "taps must be odd, got 4"),
        ("dropout", 1, ValueError, "dropout must be >=0.0 and <1.0, got 1"),
        ("dropout", True, TypeError, "dropout must be a number, got True"),
        ("kind", "column", ValueError, "kind must be one of 'row', 'diagonal', got 'column'"),
        ("gated", 1, TypeError, "gated must be True or False, got 1"),
    ],
)
def test_an_entry_is_refused_in_the_same_words_wherever_it_comes_from(entry, value, error, words):
    with pytest.raises(error, match=words):
        TOY.check(Bytes(), **GIVEN | {entry: value})
    with pytest.raises(SeqgenError, match=words):
        TOY.read({"codec": CODEC, **GIVEN, entry: value})


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        ({"name": "integers", "size": 3}, "the codec must be one of 'bytes', 'characters', got 'integers'"),
        ({"name": "morse"}, "unknown codec 'morse'"),
        ({"name": "characters"}, "must have the entries name, vocabulary, got name"),
        ({"name": "characters", "vocabulary": "aa"}, "must not repeat a character"),
        ({"name": "characters", "vocabulary": 7}, "the codec 'characters' is wrong"),
        ("bytes", "the configuration's codec must be a mapping, got 'bytes'"),
    ],
)
def test_a_codec_that_does_not_fit_is_refused(codec, words):
    with pytest.raises(SeqgenError, match=words):
        TOY.read({"codec": codec, **GIVEN})


def test_any_codec_may_be_allowed():
    assert isinstance(read_codec({"name": "integers", "size": 3}, None), Integers)
    assert isinstance(read_codec({"name": "characters", "vocabulary": "ab"}, None), Characters)


def test_probabilities_that_were_rounded_to_bfloat16_are_right_and_others_are_not():
    field = Field(("K", "K"), low=0.0, rows="probabilities")
    rows = np.random.default_rng(0).dirichlet(np.ones(40), 40)
    rounded = from_bfloat16(to_bfloat16(rows.astype(np.float32))).reshape(rows.shape)
    assert np.abs(rounded.sum(-1) - 1).max() > 1e-4
    for array in (rows, rounded):
        field.check("transition", array, {}, "an hmm")
    with pytest.raises(ValueError, match="row 0 of transition sums to"):
        field.check("transition", rounded.astype(np.float64), {}, "an hmm")


def test_lengths_that_the_configuration_does_not_tell_agree_between_arrays():
    def arrays() -> Any:
        yield "start", Field(("K",))
        yield from prefixed("cell.", affine("gate", 4, 3, by=described(GIVEN, "width")))
        yield "transition", Field(("K", "K"))

    schema = Schema("toy", Bytes(), (arrays,))
    right = {
        "start": np.zeros(2, np.float32), "transition": np.zeros((2, 2), np.float32),
        "cell.gate.weight": np.zeros((4, 3), np.float32), "cell.gate.bias": np.zeros(4, np.float32),
    }  # fmt: skip
    schema.check(right)
    assert schema.sizes(right) == {"K": 2}
    with pytest.raises(SeqgenError, match=r"transition has the shape \(3, 3\), a toy needs \(2, 2\)"):
        schema.check({**right, "transition": np.zeros((3, 3), np.float32)})
    with pytest.raises(SeqgenError, match=r"no array cell\.gate\.bias, which a toy with width 3 needs"):
        schema.check({name: array for name, array in right.items() if name != "cell.gate.bias"})


def test_an_endless_schema_ends_at_the_first_array_that_is_missing():
    def arrays() -> Any:
        for layer in range(10**30):
            yield f"layers.{layer}", Field((3,))

    some = {f"layers.{layer}": np.zeros(3, np.float32) for layer in range(5)}
    with pytest.raises(SeqgenError, match=r"there is no array layers\.5, which a toy needs"):
        Schema("toy", Bytes(), (arrays,)).check(some)


def test_numbers_that_overflow_only_in_their_sum_are_finite():
    Field(("N",)).check("weight", np.full(9, 3e38, np.float32), {}, "a toy")
    with pytest.raises(ValueError, match="weight is not finite: it has inf at 4"):
        Field(("N",)).check(
            "weight", np.where(np.arange(9) == 4, np.inf, 3e38).astype(np.float32), {}, "a toy"
        )
    assert set(log_probs("N")) == {"log_prob", "log_prob_drawn"}


def test_the_registry_names_the_schema_of_every_family():
    for name, family in FAMILIES.items():
        assert family.schema.startswith(f"{family.folder}.schema:")
        with pytest.raises(SeqgenError, match="the configuration must be a mapping, got None"):
            family.schema_of(None)
        assert Path(sys.modules[family.schema.split(":")[0]].__file__).name == "schema.py", name
