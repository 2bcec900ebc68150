"""Copy synthesis: the quality of a vocoder's renditions of mel features, compared with Griffin–Lim.

python -m benchmarks.vocoder RECORDINGS -o FOLDER --model vocoder

takes held-out recordings, lets an offline recogniser (`pip install pocketsphinx`) read each rendition, and counts the
words that differ from those in the natural recording. The corpus therefore needs no transcripts, and errors of the
recogniser in natural speech are not counted. Writes FOLDER/vocoder.md, FOLDER/vocoder.json, every rendition as WAV and
FOLDER/spectrograms.png. Without --model it measures everything except a vocoder.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import seqgen
from benchmarks.recogniser import Recogniser, word_errors
from pipelines.image_page import image_page
from pipelines.sinks.png import write_png
from pipelines.sinks.recording import RecordingFile
from pipelines.spectrograms import spectrogram
from seqgen.codecs import MuLaw
from seqgen.data.audio import Recording, read_recordings, split_recordings
from seqgen.data.mel import FLOOR, HIGHEST_FREQUENCY, fft_size, mel_features
from seqgen.files import replace_whole
from seqgen.pretrained import find

RATE, HOP, MELS = 16000, 200, 80
_DRAWN = 2

System = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], list[np.ndarray]]
"""A function from recordings (T,) and their features (F, M), of which it may use either, to renditions (T,)."""


@dataclass(frozen=True)
class Row:
    """Measurements of one system over all recordings.

    Attributes:
        system: its name. words: of the reference. errors: words that were substituted, deleted or inserted.
        rate: errors / words. low, high: a 95 % interval of the rate by resampling recordings.
        decibels: mean absolute difference of log-mel magnitudes from the natural recording's.
    """

    system: str
    words: int
    errors: int
    rate: float
    low: float
    high: float
    decibels: float


def held_out(path: Path, *, seed: int, least: float, count: int) -> list[Recording]:
    """Return the longest `count` recordings of at least `least` seconds that training has held out, sorted by name.

    This includes both the test and the validation part, because a vocoder has seen neither.
    """
    parts = split_recordings(read_recordings(path, RATE, trim_db=50.0), seed)
    found = [item for item in (*parts.test.items, *parts.validation.items) if item.seconds >= least]
    if not found:
        raise SystemExit(f"no held-out recording has {least} s; give a smaller --least")
    longest = sorted(found, key=lambda item: (-item.seconds, item.name))[:count]
    return sorted(longest, key=lambda item: item.name)


def griffin_lim(features: np.ndarray, length: int, *, rounds: int = 64) -> np.ndarray:
    """Return sound (length,) from features (F, M) without a model.

    Magnitudes are computed by least squares, phases by iteration (Griffin & Lim 1984; torchaudio's, with momentum
    0.99).
    """
    import torch
    from torchaudio.functional import griffinlim
    from torchaudio.transforms import InverseMelScale

    size = fft_size(HOP)
    magnitudes = 10.0 ** (3.0 * torch.as_tensor(features).T.double() - 2.0)
    # one more frame, because an inverse of F frames has F - 1 hops
    magnitudes = torch.cat([magnitudes, torch.full((len(magnitudes), 1), FLOOR)], 1)
    inverse = InverseMelScale(
        size // 2 + 1, MELS, RATE, 0.0, HIGHEST_FREQUENCY * RATE, norm="slaney", mel_scale="slaney", driver="gelsd"
    ).double()  # fmt: skip
    torch.manual_seed(0)
    sound = griffinlim(
        inverse(magnitudes), torch.hann_window(4 * HOP).double(), size, HOP, 4 * HOP, power=1.0, n_iter=rounds,
        momentum=0.99, length=None, rand_init=True,
    )  # fmt: skip
    sound = torch.nn.functional.pad(sound, (0, max(0, length - len(sound))))[:length]
    return np.clip(sound.numpy(), -1.0, 1.0).astype(np.float32)


def systems(model: str | None, *, seed: int = 0) -> dict[str, System]:
    """Return the compared systems by name; the first is the reference."""
    coded = MuLaw(256, RATE)

    def speak(sounds: Sequence[np.ndarray], features: Sequence[np.ndarray]) -> list[np.ndarray]:
        assert model is not None
        with seqgen.stream(
            model, n=len(features), batch=len(features), seed=seed, condition=list(features)
        ) as stream:
            made = stream.collect()
            renditions = [stream.codec.join([chunk.data for chunk in chunks]) for chunks in made.values()]
        return [made[: len(sound)] for made, sound in zip(renditions, sounds, strict=True)]

    found: dict[str, System] = {
        "natural": lambda sounds, features: list(sounds),
        "mu-law, 256 levels": lambda sounds, features: [
            coded.decode(coded.encode(sound)) for sound in sounds
        ],
        "Griffin-Lim": lambda sounds, features: [
            griffin_lim(f, len(sound)) for f, sound in zip(features, sounds, strict=True)
        ],
    }
    return {**found, f"{Path(model).stem} (WaveNet)": speak} if model else found


def decibels(rendition: np.ndarray, natural: np.ndarray) -> float:
    """Return the mean absolute difference of two recordings' log-mel magnitudes."""
    # one unit of the features is three powers of ten of the magnitude
    ours, theirs = (mel_features(sound, RATE, hop=HOP, mels=MELS) for sound in (rendition, natural))
    return float(np.abs(ours - theirs).mean() * 60.0)


def compare(sounds: Sequence[np.ndarray], found: Mapping[str, System]) -> tuple[list[Row], dict[str, Any]]:
    """Return the rows of the table, and the renditions and recognised words of each system."""
    features = [mel_features(sound, RATE, hop=HOP, mels=MELS) for sound in sounds]
    recogniser = Recogniser(RATE)
    rows, details = [], {}
    reference: list[str] = []
    for name, system in found.items():
        renditions = system(sounds, features)
        read = [recogniser.read(sound) for sound in renditions]
        reference = reference or read
        errors = np.array([word_errors(a.split(), b.split()) for a, b in zip(reference, read, strict=True)])
        words = np.array([len(text.split()) for text in reference])
        low, high = _interval(errors, words)
        distance = np.average(
            [decibels(a, b) for a, b in zip(renditions, sounds, strict=True)],
            weights=[len(s) for s in sounds],
        )
        total = int(words.sum())
        rate = float(errors.sum() / max(1, total))
        rows.append(Row(name, total, int(errors.sum()), rate, low, high, float(distance)))
        details[name] = {"sounds": renditions, "read": read}
        print(_line(rows[-1]), flush=True)
    return rows, details


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "data", type=Path, help="folder of recordings, of which the model's training has used a part"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the output")
    parser.add_argument("--model", help="built-in name or .safetensors file of a WaveNet on these features")
    parser.add_argument(
        "--count", type=int, default=24, help="maximum number of recordings, the longest ones (default 24)"
    )
    parser.add_argument("--least", type=float, default=2.0, help="minimum seconds of each (default 2)")
    parser.add_argument("--seed", type=int, help="of the split (default: that of the model's card, or 0)")
    given = parser.parse_args(arguments)
    seed = given.seed
    if seed is None:
        seed = int(find(given.model).card.get("seed", 0)) if given.model else 0
    recordings = held_out(given.data, seed=seed, least=given.least, count=given.count)
    print(f"{len(recordings)} recordings, {sum(item.seconds for item in recordings):.0f} s", flush=True)
    rows, details = compare([item.samples for item in recordings], systems(given.model))
    given.output.mkdir(parents=True, exist_ok=True)
    _write(given.output, recordings, rows, details)


def _line(row: Row) -> str:
    return (
        f"{row.system:<24} {row.errors:>4} of {row.words} words wrong, {100 * row.rate:5.1f} % "
        f"({100 * row.low:.0f}–{100 * row.high:.0f}), {row.decibels:5.2f} dB"
    )


def _interval(errors: np.ndarray, words: np.ndarray) -> tuple[float, float]:
    chosen = np.random.default_rng(0).integers(0, len(words), (2000, len(words)))
    rates = errors[chosen].sum(1) / np.maximum(1, words[chosen].sum(1))
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(low), float(high)


def _write(
    folder: Path, recordings: Sequence[Recording], rows: Sequence[Row], details: dict[str, Any]
) -> None:
    lines = ["| system | word error rate | 95 % interval | mel distance |", "|---|---|---|---|"]
    for row in rows:
        interval = f"{100 * row.low:.0f}–{100 * row.high:.0f} %"
        lines.append(f"| {row.system} | {100 * row.rate:.1f} % | {interval} | {row.decibels:.2f} dB |")
    words, seconds = rows[0].words, math.fsum(item.seconds for item in recordings)
    lines += ["", f"{len(recordings)} held-out recordings, {seconds:.0f} s, {words} words."]
    read = {
        name: dict(zip([r.name for r in recordings], found["read"], strict=True))
        for name, found in details.items()
    }
    texts = {"vocoder.md": "\n".join(lines) + "\n"}
    texts["vocoder.json"] = json.dumps({"rows": [asdict(row) for row in rows], "read": read}, indent=2) + "\n"
    for name, text in texts.items():
        with replace_whole(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    sections = []
    for number, recording in enumerate(recordings):
        for name, found in details.items():
            sound = found["sounds"][number]
            file = RecordingFile(
                folder / f"{Path(recording.name).stem}-{name.split(',')[0].split()[0]}.wav", RATE
            )
            file.write(sound)
            file.close()
            if number < _DRAWN:
                sections.append((f"{recording.name}: {name}", spectrogram(sound, RATE)))
    with replace_whole(folder / "spectrograms.png") as temporary, open(temporary, "wb") as picture:
        write_png(image_page(sections), picture)


if __name__ == "__main__":
    main()
