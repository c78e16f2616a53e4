"""Source words → target words. Importing this room registers it with fairseq.

What it changes in fairseq is listed in `vq_nat.fairseq_side.patches`.
"""

from ..fairseq_side import patches
from . import architectures  # noqa: F401
from .aligned import AlignedTransformer
from .config import VQEMTransformerConfig
from .criterion import LatentPredictionCriterion
from .decoder import register_decoder
from .decoding.generator import IterativeLatentGenerator
from .fairseq_nat import MendedLevenshteinTask
from .model import VQEMTransformer
from .predictor import CausalPredictor, register_predictor
from .risk import MinimumRiskCriterion
from .task import DiscreteLatentTranslationTask
from .translator import Translator
from .word_codes import WordCodeTransformer

patches.apply(at_import=True)

__all__ = [
    "AlignedTransformer",
    "CausalPredictor",
    "DiscreteLatentTranslationTask",
    "IterativeLatentGenerator",
    "LatentPredictionCriterion",
    "MendedLevenshteinTask",
    "MinimumRiskCriterion",
    "Translator",
    "VQEMTransformer",
    "VQEMTransformerConfig",
    "WordCodeTransformer",
    "register_decoder",
    "register_predictor",
]
