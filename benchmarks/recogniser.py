"""An offline recogniser of English speech, to measure whether synthesised speech can be understood."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Recogniser:
    """CMU PocketSphinx with the acoustic and language model of its package.

    Each recording is read separately, so that the order of recordings does not matter.

    Args:
        sample_rate: of the recordings, 16000.
    """

    def __init__(self, sample_rate: int) -> None:
        if sample_rate != 16000:
            raise ValueError(f"sample_rate must be 16000, that of the acoustic model, got {sample_rate}")
        try:
            import pocketsphinx
        except ImportError:
            raise ImportError("the recogniser is missing: pip install pocketsphinx") from None
        self._pocketsphinx = pocketsphinx
        self._rate = float(sample_rate)

    def read(self, audio: np.ndarray) -> str:
        """Return the words in audio (T,) in [-1, 1]."""
        config = self._pocketsphinx.Config(samprate=self._rate, cmn="batch", loglevel="FATAL")
        # a new decoder, because a used one reads the next recording a little differently
        decoder = self._pocketsphinx.Decoder(config)
        pcm = np.clip(np.rint(audio * 32768.0), -32768, 32767).astype("<i2")
        decoder.start_utt()
        decoder.process_raw(pcm.tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return "" if found is None else str(found.hypstr)


def word_errors(reference: Sequence[str], read: Sequence[str]) -> int:
    """Return the minimal number of word edits that turn `read` into `reference` (Levenshtein 1966).

    Edits are substitutions, deletions and insertions.

    Example:
        >>> word_errors("press one to record".split(), "press want record".split())
        2
    """
    row = list(range(len(read) + 1))
    for count, word in enumerate(reference, 1):
        before, row = row, [count]
        for place, other in enumerate(read):
            row.append(min(before[place] + (word != other), before[place + 1] + 1, row[place] + 1))
    return row[-1]
