"""Read numeric sequences from .npy and .npz files."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from seqgen.data.inputs import is_stream, read_bytes, shown
from seqgen.errors import SeqgenError


def read_sequences(path: str | os.PathLike[str], *, scalars: bool = False) -> list[np.ndarray]:
    """Read the sequences of a file, each (T,) or (T, D).

    A .npy file holds one sequence, (T,) or (T, D), or several of equal length, (B, T, D); where observations are
    `scalars`, an array (B, T) holds several and (T, 1) holds one. A .npz file holds one
    sequence per array; or, as written by `seqgen stream -o x.npz`, "data" with all sequences concatenated and "length"
    with their lengths. "-" is standard input.

    Raises:
        SeqgenError: if the file is missing, of another kind, empty, or holds objects.
    """
    path, stream = Path(path), is_stream(path)
    if not stream and path.suffix not in (".npy", ".npz"):
        raise SeqgenError(f"{path} must be a .npy or .npz file of numbers")
    try:
        found = np.load(io.BytesIO(read_bytes(path)) if stream else path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            arrays = {"data": found}
        else:
            with found as archive:
                arrays = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise SeqgenError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        kind = path.suffix or ".npy or .npz"
        raise SeqgenError(f"{shown(path)} is not a complete {kind} file of numbers: {error}") from None
    if {"data", "length"} <= set(arrays):
        cuts = np.cumsum(arrays["length"])[:-1]
        sequences = np.split(arrays["data"], cuts)
    else:
        sequences = [part for array in arrays.values() for part in _sequences_of(array, scalars)]
    for sequence in sequences:
        if sequence.dtype.kind not in "iuf" or sequence.ndim not in (1, 2) or not sequence.size:
            raise SeqgenError(
                f"{path} must hold numeric sequences of shape (T,) or (T, D), got {sequence.dtype} {sequence.shape}"
            )
    if not sequences:
        raise SeqgenError(f"{path} holds no sequences")
    return sequences


def _sequences_of(array: np.ndarray, scalars: bool) -> Iterable[np.ndarray]:
    if scalars and array.ndim == 2:
        return [array[:, 0]] if array.shape[1] == 1 else array
    return array if array.ndim == 3 else [array]


def read_vectors(path: str | os.PathLike[str], *, streamed: bool = False) -> np.ndarray:
    """Read the observations of all sequences (see `read_sequences`) as vectors (N, D) float64.

    Args:
        path: the file.
        streamed: whether the numbers of one sequence in an archive of `seqgen stream` are a vector, as for RNADE.

    Raises:
        SeqgenError: as in `read_sequences`; or if the vectors differ in length, or one is not finite.
    """
    parts = [sequence.reshape(len(sequence), -1) for sequence in read_sequences(path)]
    if streamed and _has_lengths(path):
        parts = [part.T if part.shape[1] == 1 else part for part in parts]
    lengths = sorted({part.shape[1] for part in parts})
    if len(lengths) > 1:
        raise SeqgenError(
            f"{path} must hold vectors of one length, got some of {lengths[0]} and of {lengths[-1]} numbers"
        )
    vectors = np.concatenate(parts).astype(np.float64)
    bad = np.argwhere(~np.isfinite(vectors))
    if len(bad):
        row, column = bad[0].tolist()
        raise SeqgenError(f"{path} must hold finite numbers, got {vectors[row, column]} at [{row}, {column}]")
    return vectors


def _has_lengths(path: str | os.PathLike[str]) -> bool:
    """Return whether a file, which can be read, is an archive written by `seqgen stream`."""
    if Path(path).suffix != ".npz":
        return False
    with np.load(path, allow_pickle=False) as archive:
        return {"data", "length"} <= set(archive.files)


def hold_out(sequences: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray], str]:
    """Hold out the last tenth of the sequences if there are at least ten, else of the longest sequence."""
    if len(sequences) >= 10:
        cut = len(sequences) - len(sequences) // 10
        words = f"first {cut} sequences for training, last {len(sequences) - cut} held out"
        return sequences[:cut], sequences[cut:], words
    longest = max(range(len(sequences)), key=lambda k: len(sequences[k]))
    whole = sequences[longest]
    cut = len(whole) - max(1, len(whole) // 10)
    if cut < 1:
        raise SeqgenError("the data have a single observation; give more")
    rest = [s for k, s in enumerate(sequences) if k != longest]
    return [*rest, whole[:cut]], [whole[cut:]], f"the last {len(whole) - cut} observations held out"
