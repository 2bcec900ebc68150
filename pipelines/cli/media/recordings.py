"""Read audio prompts and features from the files given by options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqgen.data.inputs import is_stream, read_bytes, shown
from seqgen.errors import SeqgenError, SeqgenWarning

if TYPE_CHECKING:
    import numpy as np

    from seqgen.codecs import Audio
    from seqgen.conditions.audio import AudioConditions


def features_of(
    config: Any, codec: Audio, conditions: AudioConditions, features: tuple[str, ...], like: tuple[str, ...]
) -> dict[str, list[Any]]:
    """Return the features (frames, width) given by --features or --like, in the order of the files.

    Returns:
        "features", and for recordings their lengths as "samples".

    Raises:
        SeqgenError: unless exactly one of the two is given, and for a file that cannot be read.
        TypeError, ValueError: for features that do not fit the model; the message names the file.
    """
    if bool(features) == bool(like):
        raise SeqgenError(
            f"the model is conditioned on features of {conditions.mels} numbers per frame; give --like RECORDING, from "
            "which they are computed, or --features FILE.npy, but not both"
        )
    if features:
        return {"features": [_named(path, conditions, _array(path)) for path in features]}
    from seqgen.data.audio_files import require_readers
    from seqgen.data.mel import mel_features

    require_readers(like, "torch", "torchaudio", for_what="--like")
    assert conditions.mels is not None
    rate = codec.sample_rate
    recordings = [recording_of(path, rate) for path in like]
    return {
        "features": [
            _named(
                path,
                conditions,
                mel_features(recording, rate, hop=config["hop"], mels=conditions.mels),
            )
            for path, recording in zip(like, recordings, strict=True)
        ],
        "samples": [len(recording) for recording in recordings],
    }


def _named(path: str, conditions: AudioConditions, array: Any) -> np.ndarray:
    """Check features; errors name the file."""
    try:
        return conditions.checked_frames(array)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{shown(path)}: {error}") from None


def _array(path: str) -> Any:
    import io

    import numpy as np

    try:
        found = np.load(io.BytesIO(read_bytes(path)) if is_stream(path) else path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise SeqgenError(f"{shown(path)} is not a complete .npy file: {error}") from None
    if not isinstance(found, np.ndarray):
        raise SeqgenError(f"{shown(path)} is an archive; give a .npy file with one array (frames, width)")
    return found


def recording_of(path: str, rate: int) -> np.ndarray:
    """Read an audio file, or "-" for standard input, in the model's format; a warning lists conversions."""
    import warnings

    from seqgen.data.audio_files import read_audio

    found = read_audio(path, rate, mono=True)
    if not len(found.samples):
        raise SeqgenError(f"{shown(path)} is empty; give a recording with sound")
    if found.conversions:
        warnings.warn(f"{shown(path)}: {', '.join(found.conversions)}", SeqgenWarning, stacklevel=2)
    return found.samples


def one_or_each(parts: dict[str, Any]) -> Any:
    """Combine the parts into one condition, or into a function of the index if a part depends on it."""
    if not parts:
        return None
    several = {name: part for name, part in parts.items() if callable(part) or isinstance(part, list)}
    if not several or all(isinstance(part, list) and len(part) == 1 for part in several.values()):
        one = {name: part[0] if isinstance(part, list) else part for name, part in parts.items()}
        return one if len(one) > 1 else next(iter(one.values()))

    def at(index: int) -> Any:
        now = {name: _at(part, index) for name, part in parts.items()}
        return now if len(now) > 1 else next(iter(now.values()))

    return at


def _at(part: Any, index: int) -> Any:
    if isinstance(part, list):
        return part[index % len(part)]
    return part(index) if callable(part) else part
