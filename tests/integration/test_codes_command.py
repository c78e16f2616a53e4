"""`vq-nat codes` with a model of a few updates."""

import json
import re
from pathlib import Path

import pytest
import torch

import vq_nat
from vq_nat.cli import main as cli
from vq_nat.explain.picture import draw
from vq_nat.translation.flow import LatentCodes


def test_codes_are_counted_and_shown(
    checkpoint: Path, tmp_corpus: Path, tmp_path: Path, capsys
) -> None:
    arguments = ["codes", str(checkpoint), str(tmp_corpus), "--out", str(tmp_path)]
    assert cli.main([*arguments, "--swaps", "2"]) == 0
    printed = capsys.readouterr().out.split()
    assert [Path(path).name for path in printed] == [
        "codes.json",
        "codes.tsv",
        "codes.html",
    ]
    records = json.loads((tmp_path / "codes.json").read_text())
    lines = (tmp_corpus.parent / "raw" / "valid.de").read_text().splitlines()
    words = [*" ".join(lines).split(), *["</s>"] * len(lines)]
    counted = sum(r["mean_words"] * r["count"] for r in records)
    assert counted == pytest.approx(len(words), rel=0.02)
    assert sum(r["count"] for r in records) == sum(
        -(-(len(line.split()) + 1) // 4) for line in lines
    )
    (explained,) = vq_nat.load(checkpoint).explain(["a b c"], tmp_path / "codes.json")
    known = {r["code"]: r["chunks"][0][0] for r in records}
    assert [step.codes for step in explained] == vq_nat.load(checkpoint).codes(
        ["a b c"]
    )[0]
    assert all(step.meanings == [known.get(step.codes[0])] for step in explained)
    html = (tmp_path / "codes.html").read_text()
    assert len(re.findall("<h2>", html)) == 3
    assert html.count("<table>") == html.count("</table>")
    assert "src=" not in html and "href=" not in html  # needs nothing else


def test_a_swap_is_what_the_model_says_of_other_codes(checkpoint: Path) -> None:
    translator = vq_nat.load(checkpoint)
    (picture,) = draw(translator, ["a b c d e f"], swaps=3)
    model, codec = translator.model, translator.codec
    codes = [step.code for step in picture.steps]
    assert [list(code) for code in codes] == translator.codes(["a b c d e f"])[0]
    assert (
        sum((step.words for step in picture.steps), [])
        == picture.words[: 4 * len(codes)]
    )
    source = model.encode(codec.encode("a b c d e f").unsqueeze(0))
    place = len(codes) - 1
    for swap in picture.steps[place].swaps:
        given = torch.tensor([[*codes[:place], swap.code]])
        mask = torch.ones(given.shape[:2], dtype=torch.bool)
        latents = model.lookup(LatentCodes(given, mask, torch.zeros(1)))
        logits = model.decode(latents, source).logits[0]
        logits[:, 0] = -float("inf")  # the beginning of a sentence is never predicted
        words = logits.argmax(dim=-1).tolist()
        end = next((i for i, w in enumerate(words) if w in (1, 2)), len(words))
        assert swap.words == [codec.target[w] for w in words[:end]] + ["</s>"]
        logp = model.code_log_probs(given[:, :place], source)[0, -1, 0]
        assert swap.probability == pytest.approx(float(logp[swap.code[0]].exp()), 1e-4)


def test_a_sentence_without_words_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="sentence 1 must have words, but has none"):
        draw(vq_nat.load(checkpoint), ["  "])
