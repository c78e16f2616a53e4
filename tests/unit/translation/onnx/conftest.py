"""What the tests of exported graphs share."""

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that says how a text was prepared."""
    folder = tmp_path_factory.mktemp("prepared")
    text = {"source_lang": "en", "target_lang": "de"}
    text |= {"tokenizer": "space", "bpe": "subword_nmt"}
    (folder / "text.json").write_text(json.dumps(text))
    (folder / "bpe.codes").write_text("#version: 0.2\na b</w>\n")
    return folder
