"""Source words → target words. Importing this room registers it with fairseq."""

from .config import VQEMTransformerConfig
from .criterion import LatentPredictionCriterion
from .decoding.generator import IterativeLatentGenerator
from .fairseq_nat import MendedLevenshteinTask
from .model import VQEMTransformer
from .task import DiscreteLatentTranslationTask
from .translator import Translator

__all__ = [
    "DiscreteLatentTranslationTask",
    "IterativeLatentGenerator",
    "LatentPredictionCriterion",
    "MendedLevenshteinTask",
    "Translator",
    "VQEMTransformer",
    "VQEMTransformerConfig",
]
