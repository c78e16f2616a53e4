"""Owns which extra of the installation a missing package belongs to.

An installation without extras has torch alone, which is enough for
`vq_nat.bottleneck`. Whoever needs more says so in one sentence.
"""

EXTRAS = {
    "engine": ("numpy", "sacremoses", "sentencepiece", "sentencex", "tqdm"),
    "serve": (
        *("fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client"),
        *("babel", "py3langid"),
    ),
    "fairseq": (
        "fairseq",
        "omegaconf",
        "hydra",
        "sacrebleu",
        "safetensors",
        "subword_nmt",
        "yaml",
    ),
    "hub": ("huggingface_hub",),
}


def missing(error: ModuleNotFoundError) -> ModuleNotFoundError:
    """Returns the error that says how to install what is missing.

    Args:
        error: what Python says; of a package that no extra has it stays as it is.
    """
    package = (error.name or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages:
            return ModuleNotFoundError(
                f"The package {package} must be installed for this, but is not; "
                f"`pip install 'vq-nat[{extra}]'` does so.",
                name=error.name,
            )
    return error
