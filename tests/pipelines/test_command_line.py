"""The command line as users see it: data on stdout, one-line errors, exit codes, no torch where it is not needed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest


def test_help_teaches(seqgen_command):
    done = seqgen_command("--help")
    assert done.returncode == 0
    for word in ("stream", "models", "train", "eval", "warm", "doctor", "shakespeare"):
        assert word in done.stdout


def test_help_and_import_load_neither_torch_nor_numba():
    code = (
        "import sys, seqgen, pipelines.cli\n"
        "try:\n    pipelines.cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numba', 'numpy', 'rich', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_streaming_a_checkpoint_does_not_import_torch(checkpoint):
    code = (
        "import sys\nfrom pipelines.cli import main\n"
        f"main(['stream', {str(checkpoint)!r}, '--length', '50'], standalone_mode=False)\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 51


def test_stdout_is_the_prompt_and_the_sample(seqgen_process, checkpoint, model):
    done = seqgen_process("stream", checkpoint, "--prompt", "abc", "--length", 40, "--seed", 5)
    assert done.stdout == "abc" + model.sample(1, length=40, seed=5, prompt="abc")[0] + "\n"
    assert "characters/s" in done.stderr
    assert done.returncode == 0


def test_controls_and_start_reach_the_stream(seqgen_command, checkpoint, model):
    done = seqgen_command(
        "stream", checkpoint, "-n", 2, "--start", 3, "--length", 30, "--temperature", 0.5, "--top-k", 3, "--stop", "ab",
        "--stop", "c", "-q",
    )  # fmt: skip
    controls = {"temperature": 0.5, "top_k": 3, "stop": ("ab", "c")}
    assert done.stdout == "".join(f"{s}\n" for s in model.sample(2, length=30, start=3, controls=controls))
    assert done.stderr == ""


def test_json_lines_file(seqgen_command, checkpoint, model, tmp_path):
    path = tmp_path / "x.jsonl"
    done = seqgen_command("stream", checkpoint, "-n", 4, "--length", 9, "--batch", 2, "-o", path)
    assert done.stdout == ""
    assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == model.sample(4, length=9)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--length", "0"], 2, "length must be at least 1"),
        (["-n", "-2"], 2, "n must be at least 1"),
        (["--length", "5", "--batch", "0"], 2, "batch must be at least 1"),
        (["--batch", "4"], 2, "--length or --stop"),
        (["--temperature", "0"], 2, "temperature must be >0"),
        (["--top-p", "1.5"], 2, "top_p must be"),
        (["--prompt", "xyz"], 2, "does not know"),
        (["--allowed", "z"], 2, "allowed"),
        (["--seed", "-1"], 2, "seed must be"),
        (["--engine", "triton", "--length", "3"], 1, "triton"),
        (["--seconds", "3"], 1, "audio"),
        (["--length", "3", "-o", "nowhere/x.txt"], 1, "create it first"),
        (["--length", "3", "-o", "x.docx"], 1, ".jsonl"),
        (["--temprature", "1"], 2, "No such option"),
    ],
)
def test_bad_usage_is_one_line_and_an_exit_code(seqgen_command, checkpoint, tmp_path, arguments, code, words):
    done = seqgen_command("stream", checkpoint, *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_model_lists_the_built_in_ones(seqgen_process):
    done = seqgen_process("stream", "nosuch")
    assert done.returncode == 1
    assert "built in are" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unwritable_directory_is_an_error(seqgen_command, checkpoint, tmp_path):
    (tmp_path / "file").write_text("")
    done = seqgen_command("stream", checkpoint, "--length", 3, "-o", tmp_path / "file" / "x.txt")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_on_stdout_is_an_error(checkpoint):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "seqgen", "stream", str(checkpoint), "--length", "90000"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_head_ends_an_endless_stream_quietly(checkpoint):
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m seqgen stream {checkpoint} -q | head -c 1000"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert len(done.stdout) == 1000
    assert done.stderr == ""


def test_interrupt_leaves_a_whole_file_within_two_seconds(checkpoint, tmp_path):
    path = tmp_path / "x.txt"
    process = subprocess.Popen(
        [sys.executable, "-m", "seqgen", "stream", str(checkpoint), "-o", str(path)],
        stderr=subprocess.PIPE,
        # in the background of a shell, a test run ignores the interrupt, and its children would inherit this
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(p.stat().st_size for p in tmp_path.iterdir()):
        time.sleep(0.05)
    assert not path.exists()
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert len(path.read_text()) > 100
    assert list(tmp_path.iterdir()) == [path]


def test_models_in_json(seqgen_process):
    models = json.loads(seqgen_process("models", "--json").stdout)
    assert {"shakespeare", "shakespeare-markov", "weather", "digit-strokes"} <= {m["name"] for m in models}
    for entry in models:
        needed = {
            "name",
            "family",
            "parameters",
            "score",
            "score_unit",
            "data",
            "licence",
            "command",
            "split",
            "seed",
        }
        assert needed <= set(entry), entry["name"]


def test_doctor_tries_the_engines(seqgen_process):
    report = json.loads(seqgen_process("doctor", "--json").stdout)
    assert report["engines"]["torch"]["works"]
    assert report["engines"]["numba"]["works"]
    assert report["engines"]["triton"]["why"]
    assert report["packages"] == {"triton_kernels": "found", "pipelines": "found"}


def test_train_then_stream_then_eval(seqgen_process, tmp_path):
    (tmp_path / "my.txt").write_text("hello world\n" * 300)
    settings = ["--set", "hidden_size=16", "--set", "steps=30", "--set", "batch=4", "--set", "window=16"]
    done = seqgen_process(
        "train", "char-rnn", "my.txt", "-o", "mine.safetensors", "--preset", "tiny", *settings, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.png", "mine.safetensors", "my.txt"]
    streamed = seqgen_process("stream", "mine.safetensors", "--length", 20, cwd=tmp_path)
    assert len(streamed.stdout) == 21
    scored = seqgen_process("eval", "mine.safetensors", "my.txt", "--json", "--last", 0.1, cwd=tmp_path)
    result = json.loads(scored.stdout)
    assert result["symbols"] == 360
    assert 0 < result["nats_per_symbol"] < 4


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"\xff\xfe\x00bad", "not UTF-8"), (b"short", "characters, batch=")],
    ids=["empty", "not-utf8", "short"],
)
def test_bad_training_text_is_refused(seqgen_command, tmp_path, content, words):
    (tmp_path / "my.txt").write_bytes(content)
    done = seqgen_command("train", "char-rnn", "my.txt", "-o", "mine.safetensors", cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["my.txt"]


def test_unknown_settings_list_the_known_ones(seqgen_command, tmp_path):
    (tmp_path / "my.txt").write_text("hello")
    done = seqgen_command(
        "train", "char-rnn", "my.txt", "-o", "x.safetensors", "--set", "hiden=3", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "hidden_size" in done.stderr
