"""Language models, from a setting to an answer: the provider library lives in this package and nowhere else."""

from toolwright.models.asking import AnswerShape, Asker, Reply
from toolwright.models.values import Ledger, ModelChoice, ModelSettings, RetrySettings

__all__ = [
    "AnswerShape",
    "Asker",
    "Ledger",
    "ModelChoice",
    "ModelSettings",
    "Reply",
    "RetrySettings",
]
