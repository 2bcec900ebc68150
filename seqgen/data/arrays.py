"""Reading numeric sequences from .npy and .npz files."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np

from seqgen.errors import SeqgenError


def read_sequences(path: str | os.PathLike[str]) -> list[np.ndarray]:
    """The sequences of a file, each (T,) or (T, D).

    A .npy file holds one sequence, (T,) or (T, D), or several of one length, (B, T, D). A .npz file holds
    a sequence in each of its arrays; or, as `seqgen stream -o x.npz` writes it, "data" with all of them one after
    another and "length" with their lengths.

    Raises:
        SeqgenError: if it is missing, of another kind, empty, or holds objects.
    """
    path = Path(path)
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        elif path.suffix == ".npy":
            arrays = {"data": np.load(path, allow_pickle=False)}
        else:
            raise SeqgenError(f"{path} must be a .npy or .npz file of numbers")
    except OSError as error:
        raise SeqgenError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SeqgenError(f"{path} is not a whole {path.suffix} file of numbers: {error}") from None
    if {"data", "length"} <= set(arrays):
        cuts = np.cumsum(arrays["length"])[:-1]
        sequences = np.split(arrays["data"], cuts)
    else:
        sequences = [part for array in arrays.values() for part in (array if array.ndim == 3 else [array])]
    for sequence in sequences:
        if sequence.dtype.kind not in "iuf" or sequence.ndim not in (1, 2) or not sequence.size:
            raise SeqgenError(
                f"{path} must hold numeric sequences of shape (T,) or (T, D), got {sequence.dtype} {sequence.shape}"
            )
    if not sequences:
        raise SeqgenError(f"{path} holds no sequences")
    return sequences
