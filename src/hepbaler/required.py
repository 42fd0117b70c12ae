"""What a reader must be able to do for an archive: the words in ``required_features``. It refuses those that it does not know."""

from __future__ import annotations

from collections.abc import Sequence

from .header import TreeHeader
from .segments import SEGMENTS_FEATURE

__all__ = ("FEATURES", "features_of")

# Decode columns of a model; let its rows see other tables; see earlier rows of their own; see nearest rows by stored places.
LEARNED = "learned/1"
CONTEXT = "context/1"
LINEAGE = "lineage/1"
NEAREST = "nearest/1"
# Let the rows of a model see the row before them.
BEFORE = "before/1"
# Decode columns by an autoencoder.
LATENT = "latents/1"
# All that this reader knows.
FEATURES = (LEARNED, CONTEXT, LINEAGE, NEAREST, BEFORE, SEGMENTS_FEATURE, LATENT)


def __dir__() -> tuple[str, ...]:
    return __all__


def features_of(headers: Sequence[TreeHeader]) -> list[str]:
    """The words that an archive of these trees needs, each in one segment."""
    models = [model for header in headers for model in header.models]
    needed = {
        LEARNED: bool(models),
        CONTEXT: any(model.context for model in models),
        LINEAGE: any(model.lineage is not None for model in models),
        NEAREST: any(model.nearest for model in models),
        BEFORE: any(model.lineage is not None and model.lineage.index is None for model in models),
        LATENT: any(header.autoencoders for header in headers),
    }
    return [word for word in needed if needed[word]]
