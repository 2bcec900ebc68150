"""Spectrograms as pictures, computed with numpy and Pillow in bounded memory.

Legend: T audio samples, W samples per window, C columns, F = W/2 + 1 frequencies.
"""

from __future__ import annotations

import copy

import numpy as np

from seqgen import extras
from seqgen.errors import integer, real

_WINDOW, _STEP = 0.032, 0.008  # seconds
_MOST = 2048  # maximum number of columns; beyond it, neighbours are merged
_RANGE = 70.0  # dynamic range of the colours in decibels
_LEFT, _BELOW = 44, 20  # pixels for the axes
_PAPER, _INK = (24, 24, 24), (200, 200, 200)
# dark to bright: black, violet, red, orange, pale yellow
_STOPS = np.array([0.0, 0.2, 0.45, 0.7, 0.88, 1.0])
_COLOURS = np.array([[0, 0, 4], [50, 12, 94], [140, 41, 99], [222, 73, 66], [251, 164, 30], [252, 255, 180]])


class Spectrogram:
    """Accumulates the power of audio over time and frequency, block by block.

    Hann windows of 32 ms start every 8 ms; the audio is zero-padded at both ends. When there are more than 2048
    columns, pairs are averaged, so that memory is bounded.

    Args:
        sample_rate: samples per second.

    Example:
        >>> time = np.arange(16000) / 16000
        >>> spectrum = Spectrogram(16000)
        >>> spectrum.add(np.sin(2 * np.pi * 1000 * time))
        >>> int(spectrum.decibels()[:, 60].argmax() * 16000 / 512)
        1000
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = integer("sample_rate", sample_rate, low=1)
        self._size = max(8, round(_WINDOW * sample_rate) // 2 * 2)
        self._step = max(1, round(_STEP * sample_rate))
        self._window = np.hanning(self._size + 1)[:-1]
        # the first window is centred on the first sample
        self._held = np.zeros(self._size // 2)
        self._columns = np.zeros((_MOST, self._size // 2 + 1))
        self._merged = 1  # windows per column
        self._count = 0  # windows so far
        self.samples = 0

    def add(self, audio: np.ndarray) -> None:
        """Add the next samples (T,) in [-1, 1]."""
        for begin in range(0, len(audio), 1 << 16):
            self._take(audio[begin : begin + (1 << 16)])
        self.samples += len(audio)

    def decibels(self) -> np.ndarray:
        """Return the power (F, C) in decibels, 0 for a full-scale sine; frequency 0 is first."""
        whole = copy.copy(self)
        whole._columns = self._columns.copy()
        # the last window is centred on the end
        whole._take(np.zeros(self._size // 2))
        count, merged = whole._count, whole._merged
        made = -(-count // merged)
        windows = np.minimum(merged, count - merged * np.arange(made))
        return np.asarray(10.0 * np.log10(whole._columns[:made] / windows[:, None] + 1e-12).T)

    def picture(self, *, height: int = 256, range_db: float = _RANGE) -> np.ndarray:
        """Return an RGB picture (height + 20, C + 44, 3) uint8 with axes in seconds and kilohertz.

        Args:
            height: rows of the frequency axis, at least 32.
            range_db: dynamic range: this many decibels below the maximum is black.
        """
        integer("height", height, low=32)
        real("range_db", range_db, above=0.0)
        power = self.decibels()
        rows = np.rint(np.linspace(len(power) - 1, 0, height)).astype(int)
        top = float(power.max()) if power.size else 0.0
        # keep silence dark, whatever its maximum
        bright = np.clip((power[rows] - max(top, -40.0)) / range_db + 1.0, 0.0, 1.0)
        return self._with_axes(_coloured(bright), height)

    def _take(self, audio: np.ndarray) -> None:
        held = np.concatenate([self._held, np.asarray(audio, np.float64)])
        count = max(0, (len(held) - self._size) // self._step + 1)
        if count:
            windows = np.lib.stride_tricks.sliding_window_view(held, self._size)[:: self._step][:count]
            for power in self._powers(windows):
                self._append(power)
        self._held = held[count * self._step :]

    def _powers(self, windows: np.ndarray) -> np.ndarray:
        """Return the power (N, F) of windows (N, W)."""
        return np.asarray(np.abs(np.fft.rfft(windows * self._window) * (2.0 / self._window.sum())) ** 2)

    def _append(self, power: np.ndarray) -> None:
        if self._count == self._merged * _MOST:
            self._columns[: _MOST // 2] = self._columns[0::2] + self._columns[1::2]
            self._columns[_MOST // 2 :] = 0.0
            self._merged *= 2
        self._columns[self._count // self._merged] += power
        self._count += 1

    def _with_axes(self, picture: np.ndarray, height: int) -> np.ndarray:
        extras.load("pillow", "drawing a spectrogram")
        from PIL import Image, ImageDraw, ImageFont

        width = picture.shape[1]
        page = Image.new("RGB", (_LEFT + max(width, 1), height + _BELOW), _PAPER)
        page.paste(Image.fromarray(picture), (_LEFT, 0))
        draw, font = ImageDraw.Draw(page), ImageFont.load_default(11)
        highest = self.sample_rate / 2000
        for kilohertz in _ticks(highest, 5):
            row = round((height - 1) * (1 - kilohertz / highest))
            draw.line((_LEFT - 4, row, _LEFT - 1, row), _INK)
            anchor = "ra" if row < 8 else "rd" if row > height - 8 else "rm"
            draw.text((_LEFT - 7, row), f"{kilohertz:g} kHz", _INK, font=font, anchor=anchor)
        seconds = width * self._merged * self._step / self.sample_rate
        for second in _ticks(seconds, max(1, width // 80)):
            column = _LEFT + round(second / seconds * width)
            draw.line((column, height, column, height + 3), _INK)
            if column < _LEFT + width - 24:
                draw.text((column, height + 5), f"{second:g} s", _INK, font=font, anchor="la")
        return np.asarray(page)


def spectrogram(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the spectrogram of audio (T,) in [-1, 1] as an RGB picture (height, width, 3) uint8, with axes."""
    spectrum = Spectrogram(sample_rate)
    spectrum.add(np.asarray(audio))
    return spectrum.picture()


def _coloured(bright: np.ndarray) -> np.ndarray:
    """Map numbers from 0 to 1 to colours (..., 3)."""
    channels = [np.interp(bright, _STOPS, _COLOURS[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, -1)).astype(np.uint8)


def _ticks(end: float, most: int) -> list[float]:
    """Return about `most` round numbers from 0 to `end`."""
    if end <= 0:
        return []
    rough = end / most
    step = 10.0 ** np.floor(np.log10(rough))
    step *= next(factor for factor in (1, 2, 5, 10) if step * factor >= rough * (1 - 1e-9))
    return [round(float(k * step), 9) for k in range(int(end / step + 1e-9) + 1)]
