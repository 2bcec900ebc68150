"""Checkpoints: one safetensors file with everything needed to load and sample a model. No code in it is executed.

Arrays are stored as safetensors tensors (float32, or bfloat16 after training). One JSON object under the metadata key
"seqgen" holds the format, family, configuration with the codec, versions, card, and SHA-256 hashes that are verified
when a file is opened.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seqgen.codecs import Codec, codec_from_config
from seqgen.errors import SeqgenError, choice, integer
from seqgen.files import replace_whole

T = TypeVar("T")

FORMAT = 1
PRECISIONS = ("float32", "bfloat16")

# safetensors names of the dtypes we write; bfloat16 arrays are widened to float32 in numpy
_DTYPES = {
    "F64": np.float64, "F32": np.float32, "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """A model as plain data: family, JSON configuration and named arrays. Engines are built from it.

    Attributes:
        family: name of the model family, as in `seqgen.registry`.
        config: arguments of the constructor as JSON values; "codec" describes the codec.
        arrays: named arrays; parameters stored in bfloat16 are widened to float32.
        card: data, licence, split, training command, score; JSON values, not part of the hash.
        precision: "bfloat16" if the file stores the parameters in bfloat16, else "float32".
    """

    family: str
    config: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    card: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"

    def __reduce__(self) -> Any:
        # without what is cached: the hash, and the schema, which cannot be pickled
        return Weights, (self.family, dict(self.config), dict(self.arrays), dict(self.card), self.precision)

    @cached_property
    def hash(self) -> str:
        """The SHA-256 over the family, the configuration and every array, as hexadecimal digits."""
        digest = hashlib.sha256()
        description = json.dumps([self.family, self.config], sort_keys=True, default=repr)
        digest.update(description.encode())
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            digest.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
            digest.update(array.data if array.size else b"")
        return digest.hexdigest()

    @property
    def codec(self) -> Codec:
        """The codec that the configuration describes."""
        return self.once("codec", lambda: codec_from_config(self.config["codec"]))

    def once(self, what: str, make: Callable[[], T]) -> T:
        """Return `make()`, which must depend on nothing but these weights; those of a live model keep it by name."""
        return make()

    def packed(self, precision: str, make: Callable[[], T], *, what: str = "weights") -> T:
        """Return `make()`, the weights as an engine reads them at a precision of `Request`, and never writes to them.

        Those of a live model keep it by precision and name, for the last two precisions that were used.
        """
        return make()

    def part(self, name: str, family: str) -> Weights:
        """Return a sub-model of a composed model: its configuration is config[name], its arrays are named "name.…"."""
        prefix = f"{name}."
        arrays = {key.removeprefix(prefix): a for key, a in self.arrays.items() if key.startswith(prefix)}
        return Weights(family, self.config[name], arrays, {}, self.precision)


def to_bfloat16(array: np.ndarray) -> np.ndarray:
    """Round float32 to bfloat16 (nearest, ties to even) and return the bit patterns as uint16."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    if is_bfloat16(array):
        return (bits >> np.uint32(16)).astype(np.uint16)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    quiet = np.where(np.isnan(array), bits | np.uint32(0x400000), rounded)
    return (quiet >> np.uint32(16)).astype(np.uint16)


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """Widen bfloat16 bit patterns (uint16) to float32."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def is_bfloat16(array: np.ndarray) -> bool:
    """Return whether every value of a float32 array is representable in bfloat16."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return not np.bitwise_or.reduce(bits, axis=None) & 0xFFFF


def save_weights(weights: Weights, path: str | os.PathLike[str], *, precision: str = "auto") -> None:
    """Write a checkpoint atomically.

    Args:
        weights: the model.
        path: the output file; the suffix must be .safetensors.
        precision: "float32", "bfloat16" (floating-point parameters are rounded) or "auto" (unchanged).

    Raises:
        ValueError: if the suffix or the precision is wrong. OSError: if the file cannot be written.
    """
    import safetensors

    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"path must end in .safetensors, got {str(path)!r}")
    choice("precision", precision, ("auto", "float32", "bfloat16"))
    if precision == "auto":
        precision = weights.precision
    tensors: dict[str, tuple[str, np.ndarray]] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, array in weights.arrays.items():
        if precision == "bfloat16" and array.dtype.kind == "f":
            bits = to_bfloat16(array).reshape(array.shape)
            arrays[name] = from_bfloat16(bits)
            tensors[name] = "bfloat16", bits
        else:
            arrays[name] = array
            # not ascontiguousarray, which would turn a scalar into an array of one element
            tensors[name] = array.dtype.name, np.asarray(array, order="C")
    stored = Weights(weights.family, weights.config, arrays, weights.card, precision)
    header = {
        "format": FORMAT,
        "family": stored.family,
        "config": dict(stored.config),
        "card": _storable(dict(stored.card)),
        "precision": precision,
        "hash": stored.hash,
        "versions": versions(),
    }
    header["digest"] = _digest(header)
    specified = {name: _specified(kind, array) for name, (kind, array) in tensors.items()}
    blob = safetensors.serialize(specified, {"seqgen": json.dumps(header, ensure_ascii=False)})
    with replace_whole(path) as temporary:
        temporary.write_bytes(blob)


def _storable(value: Any) -> Any:
    """Return a card in which names of files and folders that are not UTF-8 are `readable`."""
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(item) for item in value]
    return (
        value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if isinstance(value, str)
        else value
    )


def _specified(kind: str, array: np.ndarray) -> Any:
    """Return a tensor for `safetensors.serialize`: a `TensorSpec` since version 0.8, else a dictionary."""
    import safetensors

    if not hasattr(safetensors, "TensorSpec"):
        return {"dtype": kind, "shape": array.shape, "data": array.tobytes()}
    return safetensors.TensorSpec(
        dtype=kind, shape=array.shape, data_ptr=array.ctypes.data, data_len=array.nbytes
    )


def open_weights(path: str | os.PathLike[str], *, verify: bool = True) -> Weights:
    """Read a checkpoint.

    Raises:
        FileNotFoundError: if there is no such file.
        SeqgenError: if it is truncated, corrupted, not written by seqgen, or written by a newer version.
    """
    import safetensors

    path = Path(path)
    try:
        blob = path.read_bytes()
    except IsADirectoryError:
        raise SeqgenError(f"{path} is a directory; give the path of a .safetensors file") from None
    try:
        tensors = safetensors.deserialize(blob)
        header_size = int.from_bytes(blob[:8], "little")
        metadata = json.loads(blob[8 : 8 + header_size]).get("__metadata__", {})
    except (safetensors.SafetensorError, ValueError, AttributeError) as error:
        raise SeqgenError(
            f"{path} is not a complete safetensors file ({error}); it is truncated, corrupted or of another kind"
        ) from None
    if "seqgen" not in metadata:
        raise SeqgenError(
            f"{path} is a safetensors file that seqgen did not write: it has no 'seqgen' metadata"
        )
    try:
        header = json.loads(metadata["seqgen"])
        number = integer("format", header["format"], low=1)
        made_with = {"seqgen": "?", **_of_kind({"versions": {}, **header}, "versions", dict)}
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise SeqgenError(f"{path} is corrupted: its seqgen metadata cannot be read ({error!r})") from None
    if number > FORMAT:
        raise SeqgenError(
            f"{path} has checkpoint format {number} (seqgen {made_with['seqgen']}), this version reads up to {FORMAT}; "
            "upgrade seqgen"
        )
    try:
        arrays = {name: _array(entry) for name, entry in tensors}
        kinds = {"family": str, "config": dict, "card": dict, "precision": str}
        family, config, card, precision = (
            _of_kind({"card": {}, **header}, name, kind) for name, kind in kinds.items()
        )
        weights = Weights(family, config, arrays, card, choice("precision", precision, PRECISIONS))
        right = _digest(header) == header["digest"] and (not verify or weights.hash == header["hash"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SeqgenError(f"{path} is corrupted: {error!r}") from None
    if not right:
        raise SeqgenError(
            f"{path} is corrupted: its contents do not match the hash that was stored with them"
        )
    return weights


def _digest(header: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the metadata, which detects a flipped bit in a card or a configuration."""
    rest = {key: value for key, value in header.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _of_kind(header: Mapping[str, Any], name: str, kind: type) -> Any:
    value = header[name]
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")
    return value


def _array(entry: Mapping[str, Any]) -> np.ndarray:
    shape, data = entry["shape"], entry["data"]
    if entry["dtype"] == "BF16":
        return from_bfloat16(np.frombuffer(data, np.uint16)).reshape(shape)
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"unsupported dtype {entry['dtype']}")
    return np.frombuffer(data, _DTYPES[entry["dtype"]]).reshape(shape)


def versions() -> dict[str, str]:
    """Return the versions of seqgen, Python and numpy, as recorded in a checkpoint."""
    try:
        own = importlib.metadata.version("seqgen-streams")
    except importlib.metadata.PackageNotFoundError:
        own = "unknown"
    return {"seqgen": own, "python": platform.python_version(), "numpy": np.__version__}
