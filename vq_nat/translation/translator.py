"""Text in, text out: a trained model with its tokeniser and subword codes."""

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Union

import torch
from fairseq import checkpoint_utils
from fairseq.data import encoders
from sacremoses import MosesPunctNormalizer

from ..compat import load_config

TEXT_FILE = "text.json"


class TextCodec:
    """Raw sentences to subword indices and back.

    Args:
        folder: holds `text.json` and `bpe.codes`.
        source: source dictionary.
        target: target dictionary.
    """

    def __init__(self, folder: Path, source: Any, target: Any) -> None:
        text = json.loads((folder / TEXT_FILE).read_text(encoding="utf-8"))
        languages = {k: text[k] for k in ("source_lang", "target_lang")}
        self.normalizer = MosesPunctNormalizer(
            languages["source_lang"], norm_quote_commas=False, norm_numbers=False
        )
        self.tokenizer = encoders.build_tokenizer(
            Namespace(tokenizer=text["tokenizer"], **languages)
        )
        codes = str(folder / "bpe.codes")
        self.bpe = encoders.build_bpe(Namespace(bpe=text["bpe"], bpe_codes=codes))
        self.source, self.target = source, target

    def encode(self, sentence: str) -> torch.Tensor:
        """Turns a raw sentence into source indices, end of sentence included."""
        words = self.tokenizer.encode(self.normalizer.normalize(sentence))
        return self.source.encode_line(
            self.bpe.encode(words), add_if_not_exist=False, append_eos=True
        ).long()

    def decode(self, tokens: torch.Tensor) -> str:
        """Turns target indices into a raw sentence."""
        subwords = self.target.string(tokens.int().cpu(), unk_string="⁇")
        return self.tokenizer.decode(self.bpe.decode(subwords))

    def subwords(self, tokens: torch.Tensor) -> list[str]:
        """Names the target indices."""
        return [self.target[int(token)] for token in tokens]


class Hypothesis(NamedTuple):
    """One translated sentence and how it came about."""

    text: str
    tokens: list[str]  # subwords, end of sentence included
    codes: list[list[int]]  # L × G; empty for a model without latents
    score: float  # log-probability (of fairseq's beam search: per word)


class Translator:
    """A trained model that translates raw text.

    It serves latent models and the autoregressive fairseq Transformers that teach them
    through the same path, so that their times compare.

        translator = Translator.load("checkpoints/student")
        translator.translate(["A man rides a bike."])

    Args:
        model: a trained model.
        task: its task.
        codec: its text processing.
        generation: fairseq's decoding options, by name.
    """

    def __init__(
        self, model: Any, task: Any, codec: TextCodec, generation: dict[str, Any]
    ) -> None:
        self.model, self.task, self.codec = model, task, codec
        self.generator = task.build_generator([model], Namespace(**generation))

    @classmethod
    def load(
        cls,
        path: Union[str, Path],
        data: Union[str, Path, None] = None,
        device: str = "cpu",
        autocast: str = "none",
        beam: int = 1,
        passes: int = 0,
    ) -> "Translator":
        """Loads a checkpoint.

        Args:
            path: a checkpoint, or a folder that holds `checkpoint_best.pt`.
            data: folder with dictionaries, `bpe.codes` and `text.json`; by default
                that of the checkpoint, or the one it was trained on.
            device: "cpu", "cuda", ….
            autocast: see `--autocast`.
            beam: beam width of an autoregressive model.
            passes: refinement passes of a latent model.

        Raises:
            FileNotFoundError: if the checkpoint or the data folder is missing.
        """
        path = Path(path)
        checkpoint = path / "checkpoint_best.pt" if path.is_dir() else path
        folder = find_data(checkpoint, data)
        overrides = {"data": str(folder), "autocast": autocast, "eval_bleu": False}
        models, _, task = checkpoint_utils.load_model_ensemble_and_task(
            [str(checkpoint)], arg_overrides=overrides
        )
        model = models[0].to(device)
        model.eval()
        # As fairseq-generate does, so that a teacher is as fast here as there.
        model.make_generation_fast_(beamable_mm_beam_size=beam, need_attn=False)
        codec = TextCodec(folder, task.source_dictionary, task.target_dictionary)
        options = {"beam": beam, "iter_decode_max_iter": passes}
        return cls(model, task, codec, options)

    def translate(self, sentences: Iterable[str], batch_size: int = 64) -> list[str]:
        """Translates raw sentences; order and number are kept, empty stays empty."""
        return [h.text for h in self.hypotheses(sentences, batch_size)]

    def codes(
        self, sentences: Iterable[str], batch_size: int = 64
    ) -> list[list[list[int]]]:
        """Returns the codes of each sentence's translation: L lists of G codes."""
        return [h.codes for h in self.hypotheses(sentences, batch_size)]

    def hypotheses(
        self, sentences: Iterable[str], batch_size: int = 64
    ) -> list[Hypothesis]:
        """Translates raw sentences and keeps tokens, codes and scores.

        Raises:
            ValueError: if a sentence is longer than the model allows.
        """
        texts = list(sentences)
        rows = {i: self.codec.encode(s) for i, s in enumerate(texts) if s.strip()}
        for i, tokens in rows.items():
            self._check_length(i, tokens)
        results = [Hypothesis("", [], [], 0.0)] * len(texts)
        by_length = sorted(rows, key=lambda i: len(rows[i]))
        for batch in chunks(by_length, batch_size):
            found = self._generate([rows[i] for i in batch])
            for i, hypotheses in zip(batch, found):
                results[i] = self._read(hypotheses[0])
        return results

    def _generate(self, rows: list[torch.Tensor]) -> list[list[dict[str, Any]]]:
        lengths = torch.tensor([len(row) for row in rows])
        dataset = self.task.build_dataset_for_inference(rows, lengths)
        sample = dataset.collater([dataset[i] for i in range(len(rows))])
        order = sample["id"].argsort()
        device = next(self.model.parameters()).device
        net_input = {
            name: value[order].to(device) if torch.is_tensor(value) else value
            for name, value in sample["net_input"].items()
        }
        return self.task.inference_step(
            self.generator, [self.model], {"net_input": net_input}
        )

    def _read(self, hypothesis: dict[str, Any]) -> Hypothesis:
        tokens, codes = hypothesis["tokens"], hypothesis.get("codes")
        return Hypothesis(
            self.codec.decode(tokens),
            self.codec.subwords(tokens),
            [] if codes is None else codes.tolist(),
            float(hypothesis["score"]),
        )

    def _check_length(self, index: int, tokens: torch.Tensor) -> None:
        longest = self.task.max_positions()[0]
        if len(tokens) > longest:
            raise ValueError(
                f"sentence {index + 1} must have at most {longest} subwords, "
                f"but has {len(tokens)} instead."
            )


def find_data(checkpoint: Path, data: Union[str, Path, None] = None) -> Path:
    """Finds the folder with dictionaries and text processing of a checkpoint.

    Raises:
        FileNotFoundError: if there is none.
    """
    trained_on = Path(load_config(checkpoint)["task"]["data"])
    candidates = [Path(data)] if data else [checkpoint.parent, trained_on]
    for folder in candidates:
        if (folder / TEXT_FILE).is_file():
            return folder
    places = " nor ".join(str(folder) for folder in candidates)
    raise FileNotFoundError(
        f"dictionaries, bpe.codes and {TEXT_FILE} must stand in the checkpoint's "
        f"folder or the data folder, but {places} has no {TEXT_FILE}."
    )


def chunks(items: list[int], size: int) -> Iterator[list[int]]:
    """Yields `size` items at a time."""
    return (items[i : i + size] for i in range(0, len(items), size))
