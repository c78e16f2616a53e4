"""Owns how BLEU cuts a language into words, in training and in measuring.

Chinese and Japanese are written without blanks, and a Korean word between blanks has
several parts: with sacreBLEU's usual tokeniser two nearly equal sentences score 0.
"""

from sacrebleu.metrics import BLEU, TER

CODES = {"zho": "zh", "chi": "zh", "cmn": "zh", "jpn": "ja", "kor": "ko"}
UNSPACED = ("zh", "ja")


def two_letters(language: str) -> str:
    """Returns the code that sacreBLEU knows: of `zh_CN`, `zh-Hans` or `zho` zh."""
    base = language.replace("_", "-").split("-")[0].lower()
    return CODES.get(base, base)


def bleu_of(language: str) -> BLEU:
    """Returns BLEU with the words of a language.

    Args:
        language: the target's; "" if it is not known.

    Raises:
        ValueError: if the tokeniser of the language is not installed.
    """
    code = two_letters(language)
    try:
        return BLEU(trg_lang=code)
    except RuntimeError:
        raise ValueError(
            f"BLEU for the language {language} needs sacreBLEU's tokeniser for it, "
            f"which is not installed; install it with `pip install sacrebleu[{code}]`."
        ) from None


def ter_of(language: str) -> TER:
    """Returns TER, which edits words, or characters where nothing parts words."""
    unspaced = two_letters(language) in UNSPACED
    return TER(normalized=unspaced, asian_support=unspaced)
