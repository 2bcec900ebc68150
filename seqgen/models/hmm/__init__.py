"""Hidden Markov models with categorical, Poisson, Gaussian and mixture emissions, and Gaussian mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["HMM", "Categorical", "Gaussian", "GaussianMixture", "Poisson"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "HMM": "seqgen.models.hmm.model",
        "Categorical": "seqgen.models.hmm.emissions",
        "Poisson": "seqgen.models.hmm.emissions",
        "Gaussian": "seqgen.models.hmm.emissions",
        "GaussianMixture": "seqgen.models.hmm.mixture",
    },
)

if TYPE_CHECKING:
    from seqgen.models.hmm.emissions import Categorical as Categorical
    from seqgen.models.hmm.emissions import Gaussian as Gaussian
    from seqgen.models.hmm.emissions import Poisson as Poisson
    from seqgen.models.hmm.mixture import GaussianMixture as GaussianMixture
    from seqgen.models.hmm.model import HMM as HMM
