"""Source words → target words. Importing this room registers it with fairseq."""

from . import architectures  # noqa: F401
from .config import VQEMTransformerConfig
from .criterion import LatentPredictionCriterion
from .decoding.generator import IterativeLatentGenerator
from .fairseq_nat import MendedLevenshteinTask
from .model import VQEMTransformer
from .task import DiscreteLatentTranslationTask
from .translator import Translator
from .word_codes import WordCodeTransformer

__all__ = [
    "DiscreteLatentTranslationTask",
    "IterativeLatentGenerator",
    "LatentPredictionCriterion",
    "MendedLevenshteinTask",
    "Translator",
    "VQEMTransformer",
    "VQEMTransformerConfig",
    "WordCodeTransformer",
]
