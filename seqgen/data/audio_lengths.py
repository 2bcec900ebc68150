"""The length that the header of an audio file states, compared with the length of the file.

A recorder writes the header first and its lengths last: if it was cut off, they are 0. A file that was copied in part
is shorter than its header states. Readers return what is in the file, or nothing, without a word; these functions tell
what is the case, and give the header that reads to the end.

The formats are those whose samples are in one piece: WAV, RF64 and BW64 (EBU Tech 3306), Wave64, AIFF and AIFF-C, 8SVX,
AU, CAF and NIST SPHERE; and of the compressed ones, Ogg (RFC 3533) and MP3, whose ends can be recognized.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

UNKNOWN = -1
_ENDLESS = 0x7FFF0000
"""Sizes from here on stand for an unknown length, as programs write them to a pipe: 0x7FFFF000, 0xFFFFFFFF, …"""

_CHUNK = re.compile(rb"[ -~]{4}")
_OGG_TAIL = 1 << 17  # two pages at most
_MP3_BITRATES = (
    (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
"""In kbit/s: MPEG-1 layers I, II and III; MPEG-2 layer I, and layers II and III."""


class Samples(NamedTuple):
    """The samples of a file, in bytes.

    Attributes:
        container: the format.
        stated: their number by the header, `UNKNOWN` if it says that it does not know.
        present: their number up to the end of the file.
        followed: whether other chunks, which end where the file ends, follow the stated samples.
        corrections: places and bytes that make the header state `present`.
    """

    container: str
    stated: int
    present: int
    followed: bool
    corrections: tuple[tuple[int, bytes], ...] = ()

    @property
    def unfinished(self) -> bool:
        """Whether the header states no samples, but there are some: the recorder was cut off."""
        return self.stated == 0 and self.present > 0 and not self.followed

    @property
    def truncated(self) -> bool:
        """Whether the file ends before the stated samples do."""
        return self.stated > self.present


def find_samples(file: BinaryIO) -> Samples | None:
    """Return the samples of a file; None if it is of another format, or has none."""
    end = file.seek(0, 2)
    start = _at(file, 0, 16)
    if start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and start[8:12] == b"WAVE":
        return _in_riff(file, end, "big" if start[:4] == b"RIFX" else "little")
    if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC", b"8SVX", b"16SV"):
        return _in_form(file, end)
    if start[:4] == b"riff" and _at(file, 24, 4) == b"wave":
        return _in_wave64(file, end)
    if start[:4] == b"caff":
        return _in_caf(file, end)
    if start[:4] in (b".snd", b"dns."):
        return _in_au(start, end)
    if start[:7] == b"NIST_1A":
        return _in_nist(file, end)
    return None


def lacks_end(file: BinaryIO) -> bool:
    """Return whether a stream of Ogg pages or MPEG frames ends within one, or without the mark of its end."""
    end = file.seek(0, 2)
    start = _at(file, 0, 10)
    if start[:4] == b"OggS":
        return _ogg_lacks_end(file, end)
    if start[:3] == b"ID3":
        return _mpeg_lacks_end(file, 10 + _synchsafe(start[6:10]), end)
    return _mpeg_lacks_end(file, 0, end)


def mpeg_states_length(file: BinaryIO) -> bool:
    """Return whether the first frame of MPEG audio states the number of frames (a Xing, Info or VBRI header)."""
    start = _at(file, 0, 10)
    first = 10 + _synchsafe(start[6:10]) if start[:3] == b"ID3" else 0
    head = _at(file, first, 64)
    return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))


# ---- samples in one piece -----------------------------------------------------------------------------


def _in_riff(file: BinaryIO, end: int, order: str) -> Samples | None:
    long, longer = (">I", ">Q") if order == "big" else ("<I", "<Q")
    wide: int | None = None  # where the 64-bit size of the samples is
    for name, place, size in _chunks(file, 12, end, long):
        if name == b"ds64":
            wide = place + 8 + 8
        if name != b"data":
            continue
        first, at, kind = place + 8, place + 4, long
        if wide is not None and size == 0xFFFFFFFF:
            at, kind = wide, longer
            (size,) = struct.unpack(longer, _at(file, wide, 8))
        elif size >= _ENDLESS and size > end - first:
            size = UNKNOWN
        room = end - first
        return Samples("RIFF",
            size, room, _followed(file, first, size, end, long),
            ((at, struct.pack(kind, min(room, 0xFFFFFFFF if kind == long else room))),),
        )  # fmt: skip
    return None


def _in_form(file: BinaryIO, end: int) -> Samples | None:
    for name, place, size in _chunks(file, 12, end, ">I"):
        if name in (b"SSND", b"BODY"):
            # the samples of AIFF are preceded by an offset and a block size
            before = 8 if name == b"SSND" else 0
            first = place + 8 + before
            stated = UNKNOWN if size >= _ENDLESS and size > end - first else max(0, size - before)
            whole = struct.pack(">I", min(end - place - 8, 0xFFFFFFFF))
            return Samples(
                "FORM",
                stated,
                max(0, end - first),
                _followed(file, first, stated, end, ">I"),
                ((place + 4, whole),),
            )
    return None


def _in_wave64(file: BinaryIO, end: int) -> Samples | None:
    place = 40
    while len(head := _at(file, place, 24)) == 24:
        (size,) = struct.unpack("<Q", head[16:])
        if head[:4] == b"data":
            stated = max(0, size - 24) if size < 1 << 62 else UNKNOWN
            after = place + 24 + stated + -stated % 8
            whole = struct.pack("<Q", end - place)
            return Samples("W64",
                stated, end - place - 24, stated >= 0 and after < end and _at(file, after + 4, 4) == head[4:8],
                ((place + 16, whole),),
            )  # fmt: skip
        if size < 24:
            return None
        place += size + -size % 8
    return None


def _in_caf(file: BinaryIO, end: int) -> Samples | None:
    place = 8
    while len(head := _at(file, place, 12)) == 12:
        (size,) = struct.unpack(">q", head[4:])
        if head[:4] == b"data":
            # the samples are preceded by a count of edits
            first = place + 12 + 4
            stated = UNKNOWN if size < 0 else max(0, size - 4)
            return Samples("CAF",
                stated, max(0, end - first), _followed(file, first, stated, end, ">q"),
                ((place + 4, struct.pack(">q", end - place - 12)),),
            )  # fmt: skip
        if size < 0:
            return None
        place += 12 + size
    return None


def _in_au(start: bytes, end: int) -> Samples:
    order = ">" if start[:4] == b".snd" else "<"
    first, size = struct.unpack(f"{order}II", start[4:12])
    room = max(0, end - first)
    stated = UNKNOWN if size >= _ENDLESS and size > room else size
    return Samples("AU", stated, room, False, ((8, struct.pack(f"{order}I", min(room, 0xFFFFFFFF))),))


def _in_nist(file: BinaryIO, end: int) -> Samples | None:
    sizes = _at(file, 8, 8).split()
    if not sizes or not sizes[0].isdigit():
        return None
    head = _at(file, 0, int(sizes[0]))
    fields = {name: int(value) for name, value in re.findall(rb"(?m)^(\w+) -\w+ (\d+)", head)}
    if b"sample_count" not in fields:
        return None
    each = fields.get(b"sample_n_bytes", 2) * fields.get(b"channel_count", 1)
    return Samples("NIST", fields[b"sample_count"] * each, max(0, end - int(sizes[0])), False)


def _chunks(file: BinaryIO, place: int, end: int, size_as: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, the place and the stated size of each chunk, as far as they look like chunks."""
    width = struct.calcsize(size_as)
    while place + 4 + width <= end:
        head = _at(file, place, 4 + width)
        (size,) = struct.unpack(size_as, head[4:])
        if not _CHUNK.fullmatch(head[:4]) or size < 0:
            return
        yield head[:4], place, size
        place += 4 + width + size + (size % 2 if width == 4 else 0)


def _followed(file: BinaryIO, first: int, size: int, end: int, size_as: str) -> bool:
    """Return whether the bytes after the samples are chunks up to the end of the file."""
    if size < 0:
        return False
    after = first + size
    width = 4 + struct.calcsize(size_as)
    for place in (after + size % 2, after):
        reached = place
        for _, here, length in _chunks(file, place, end, size_as):
            reached = here + width + length
        # the last one may lack the byte that makes its size even
        if reached > place and reached in (end, end - 1, end + 1):
            return True
    return False


# ---- pages and frames ---------------------------------------------------------------------------------


def _ogg_lacks_end(file: BinaryIO, end: int) -> bool:
    begin = max(0, end - _OGG_TAIL)
    tail = _at(file, begin, end - begin)
    last = tail.rfind(b"OggS")
    if last < 0 or len(tail) < last + 27:
        return True
    segments = tail[last + 27 : last + 27 + tail[last + 26]]
    whole = len(segments) == tail[last + 26] and last + 27 + len(segments) + sum(segments) <= len(tail)
    return not (whole and tail[last + 5] & 4)


def _mpeg_lacks_end(file: BinaryIO, place: int, end: int) -> bool:
    """Follow the frames of MPEG audio; return whether the file ends within one. False for what is not MPEG audio."""
    frames = 0
    while place + 4 <= end:
        size = _mpeg_frame_size(_at(file, place, 4))
        if size is None:
            return False
        if place + size > end:
            return frames > 0
        place, frames = place + size, frames + 1
    return frames > 0 and place < end


def _mpeg_frame_size(head: bytes) -> int | None:
    """Return the size of the frame with this header in bytes; None if it is no header, or has a free bit rate."""
    (bits,) = struct.unpack(">I", head)
    version, layer = bits >> 19 & 3, 4 - (bits >> 17 & 3)
    rate, speed, padding = bits >> 12 & 15, bits >> 10 & 3, bits >> 9 & 1
    if bits >> 21 != 0x7FF or version == 1 or layer == 4 or rate in (0, 15) or speed == 3:
        return None
    samples_per_second = (44100, 48000, 32000)[speed] >> {3: 0, 2: 1, 0: 2}[version]
    table = layer - 1 if version == 3 else 3 if layer == 1 else 4
    bits_per_second = 1000 * _MP3_BITRATES[table][rate - 1]
    if layer == 1:
        return 4 * (12 * bits_per_second // samples_per_second + padding)
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits_per_second // samples_per_second + padding


def _synchsafe(four: bytes) -> int:
    return sum((byte & 0x7F) << 7 * (3 - k) for k, byte in enumerate(four))


def _at(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)
