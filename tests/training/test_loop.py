"""The training loop: a run that was interrupted anywhere ends with the same bits as one that was not."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from seqgen import CharRNN
from seqgen.errors import SeqgenError, SeqgenWarning
from seqgen.models.char_rnn.objective import TextObjective
from seqgen.training.config import TrainingConfig
from seqgen.training.loop import Progress, train

pytestmark = pytest.mark.filterwarnings("ignore:there is no state to resume from")

TEXT = "the cat sat on the mat, the rat sat on the hat. " * 6
VOCABULARY = "".join(sorted(set(TEXT)))
CONFIG = TrainingConfig(
    steps=12, batch=3, window=7, warmup=3, validate_every=5, save_every=4, ema=0.9, autocast=False, seed=5
)


def model_of(**changes) -> CharRNN:
    settings = {"cell": "lstm", "hidden_size": 10, "layers": 2, "dropout": 0.3, "seed": 2} | changes
    return CharRNN(VOCABULARY, **settings)


def objective_of(config: TrainingConfig, text: str = TEXT) -> TextObjective:
    symbols = model_of().codec.encode(text)
    return TextObjective(
        symbols[:-40], symbols[-40:], batch=config.batch, window=config.window, seed=config.seed
    )


def run(
    config: TrainingConfig,
    path: Path | None = None,
    model: CharRNN | None = None,
    text: str = TEXT,
    **options,
) -> tuple[CharRNN, Progress]:
    model = model_of() if model is None else model
    return model, train(model, objective_of(config, text), config, state_path=path, **options)


def assert_same_bits(ours: CharRNN, theirs: CharRNN) -> None:
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name


@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "autocast"])
@pytest.mark.parametrize("stops", [(1,), (4,), (6,), (11,), (1, 1, 3, 4), (5, 5)], ids=str)
def test_resumed_equals_uninterrupted(stops, autocast, tmp_path):
    config = replace(CONFIG, autocast=autocast)
    whole, expected = run(config)
    path = tmp_path / "state.safetensors"
    for count in stops:
        run(config, path, stop_after=count, resume=True)
    resumed, progress = run(config, path, resume=True)
    assert_same_bits(resumed, whole)
    assert progress.losses == expected.losses
    assert progress.scores == expected.scores


@pytest.mark.parametrize("cell", ["tanh", "gru"])
def test_every_cell_resumes(cell, tmp_path):
    path = tmp_path / "state.safetensors"
    whole, _ = run(CONFIG, model=model_of(cell=cell, layers=1))
    run(CONFIG, path, model=model_of(cell=cell, layers=1), stop_after=5)
    resumed, _ = run(CONFIG, path, model=model_of(cell=cell, layers=1), resume=True)
    assert_same_bits(resumed, whole)


@pytest.mark.parametrize("step", [1, 5, 9])
def test_a_crash_loses_only_the_steps_since_the_last_save(step, tmp_path):
    path = tmp_path / "state.safetensors"
    whole, expected = run(CONFIG)

    def crash(done: int, loss: float, score: float | None) -> None:
        if done == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, path, report=crash)
    assert path.exists() == (step >= CONFIG.save_every)
    resumed, progress = run(CONFIG, path, resume=True)
    assert_same_bits(resumed, whole)
    assert progress.losses == expected.losses


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("step", [1, 5])
def test_a_signal_saves_the_step_it_comes_in_and_ends_the_training(step, number, tmp_path):
    path = tmp_path / "state.safetensors"
    whole, expected = run(CONFIG)
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(CONFIG, path, report=lambda done, *_: done == step and os.kill(os.getpid(), number))
        assert signal.getsignal(number) == signal.default_int_handler
    finally:
        signal.signal(number, before)
    with safe_open(path, "np") as file:
        assert json.loads(file.metadata()["training"])["step"] == step
    resumed, progress = run(CONFIG, path, resume=True)
    assert_same_bits(resumed, whole)
    assert progress.losses == expected.losses


def test_a_second_signal_ends_a_step_that_takes_long(tmp_path):
    def hang(done: int, *_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second signal was held back")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(CONFIG, tmp_path / "state.safetensors", report=hang)
    finally:
        signal.signal(signal.SIGINT, before)


def test_resuming_without_a_state_is_said(tmp_path):
    path = tmp_path / "state.safetensors"
    with pytest.warns(SeqgenWarning, match=r"there is no state to resume from at .*state\.safetensors"):
        run(CONFIG, path, resume=True)


def test_a_finished_run_resumes_to_itself(tmp_path):
    path = tmp_path / "state.safetensors"
    whole, _ = run(CONFIG, path)
    again, progress = run(CONFIG, path, resume=True)
    assert_same_bits(again, whole)
    assert len(progress.losses) == CONFIG.steps


def test_without_resume_a_state_on_disk_is_not_looked_at(tmp_path):
    path = tmp_path / "state.safetensors"
    path.write_bytes(b"something else")
    whole, _ = run(CONFIG)
    again, _ = run(CONFIG, path)
    assert_same_bits(again, whole)


def test_a_run_is_a_function_of_its_seed():
    one, other = run(CONFIG)[1].losses, run(replace(CONFIG, seed=6))[1].losses
    torch.manual_seed(99)
    assert run(CONFIG)[1].losses == one
    assert other != one


def test_the_number_of_threads_may_change_between_runs(tmp_path):
    path = tmp_path / "state.safetensors"
    before = torch.get_num_threads()
    run(CONFIG, path, stop_after=4)
    _, progress = run(replace(CONFIG, threads=before), path, resume=True)
    assert len(progress.losses) == CONFIG.steps


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 13), ("batch", 2), ("window", 6), ("learning_rate", 0.01), ("ema", 0.5), ("seed", 1),
        ("autocast", True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_state_of_other_settings_is_refused(name, value, tmp_path):
    path = tmp_path / "state.safetensors"
    run(CONFIG, path, stop_after=1)
    with pytest.raises(SeqgenError, match=rf"was made with {name}=.*this run has {name}={value!r}"):
        run(replace(CONFIG, **{name: value}), path, resume=True)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("hidden_size", {"hidden_size": 9}), ("layers", {"layers": 1}), ("dropout", {"dropout": 0.1})],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_state_of_another_model_is_refused(name, changes, tmp_path):
    path = tmp_path / "state.safetensors"
    run(CONFIG, path, stop_after=1)
    with pytest.raises(SeqgenError, match=f"was made with {name}="):
        run(CONFIG, path, model=model_of(**changes), resume=True)


def test_a_state_of_other_data_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    run(CONFIG, path, stop_after=1)
    with pytest.raises(SeqgenError, match="was made with data="):
        run(CONFIG, path, text=TEXT[1:] + TEXT[0], resume=True)


@pytest.mark.parametrize("content", [b"", b"nonsense" * 30], ids=["empty", "text"])
def test_what_is_no_state_is_refused(content, tmp_path):
    path = tmp_path / "state.safetensors"
    path.write_bytes(content)
    with pytest.raises(SeqgenError, match="not the state of a training run"):
        run(CONFIG, path, resume=True)


def test_a_truncated_state_and_a_checkpoint_are_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    run(CONFIG, path, stop_after=1)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(SeqgenError, match="not the state of a training run"):
        run(CONFIG, path, resume=True)
    model_of().save(path)
    with pytest.raises(SeqgenError, match="not the state of a training run"):
        run(CONFIG, path, resume=True)


def test_the_loss_goes_down_and_the_average_is_what_remains():
    config = replace(CONFIG, steps=150, learning_rate=0.02, warmup=5, validate_every=50, ema=0.97)
    model, progress = run(config)
    losses = [loss for _, loss in progress.losses]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
    assert [step for step, _ in progress.scores] == [50, 100, 150]
    assert progress.scores[-1][1] < progress.scores[0][1]
    assert objective_of(config).validate(model) == pytest.approx(progress.scores[-1][1], abs=1e-12)
    assert progress.seconds > 0


def test_without_an_average_the_last_weights_remain(tmp_path):
    config = replace(CONFIG, ema=0.0)
    model, _ = run(config)
    plain, _ = run(config, tmp_path / "state.safetensors", stop_after=config.steps - 1)
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), plain.parameters(), strict=True))
    averaged, _ = run(replace(config, ema=0.9))
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), averaged.parameters(), strict=True))


def test_a_loss_that_is_not_finite_says_what_to_do():
    with pytest.raises(SeqgenError, match=r"the loss is nan at step .*lower learning_rate"):
        run(replace(CONFIG, learning_rate=1e20, warmup=0, steps=30, validate_every=30))


def test_every_step_is_reported():
    seen = []
    run(CONFIG, report=lambda *figures: seen.append(figures))
    assert [done for done, _, _ in seen] == list(range(1, 13))
    assert [done for done, _, score in seen if score is not None] == [5, 10, 12]


def test_the_rate_rises_and_then_falls_to_a_tenth():
    config = TrainingConfig(steps=1000, warmup=100, learning_rate=2.0)
    assert config.rate(0) == pytest.approx(0.02)
    assert config.rate(99) == config.rate(100) == pytest.approx(2.0)
    assert config.rate(550) == pytest.approx(1.1)
    assert config.rate(1000) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0), ("batch", 0), ("window", -1), ("validate_every", 0), ("save_every", 0), ("warmup", -1),
        ("seed", -1), ("seed", 2**32), ("threads", -1), ("learning_rate", 0.0), ("learning_rate", float("nan")),
        ("weight_decay", -0.1), ("clip", 0), ("ema", 1.0), ("ema", -0.1),
    ],
    ids=str,
)  # fmt: skip
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        TrainingConfig(**{name: value})


def test_a_state_is_resumed_whatever_its_name(tmp_path):
    """The names of files need not be UTF-8."""
    plain, odd = tmp_path / "a.safetensors", tmp_path / os.fsdecode(b"caf\xe9.safetensors")
    for path in (plain, odd):
        run(CONFIG, path, stop_after=2)
    assert run(CONFIG, odd, resume=True)[1].losses == run(CONFIG, plain, resume=True)[1].losses
