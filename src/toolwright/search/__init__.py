"""Floor 1: which tools fit a sentence, and which tools look alike."""

from toolwright.search.fulltext import FtsRetriever, Retriever
from toolwright.search.likeness import NEAR, Likeness, Sketch

__all__ = ["NEAR", "FtsRetriever", "Likeness", "Retriever", "Sketch"]
