"""Floor 1: which tools fit a sentence, and which tools look alike."""

from toolwright.search.fulltext import FtsRetriever, Retriever
from toolwright.search.large import LargeIndex
from toolwright.search.likeness import NEAR, POSSIBLE, Likeness, Sketch, pairing
from toolwright.search.meaning import Meaning
from toolwright.search.words import telling_words

__all__ = [
    "NEAR",
    "POSSIBLE",
    "FtsRetriever",
    "LargeIndex",
    "Likeness",
    "Meaning",
    "Retriever",
    "Sketch",
    "pairing",
    "telling_words",
]
