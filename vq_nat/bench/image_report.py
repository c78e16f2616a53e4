"""Owns the report of an image model's row: a page in Markdown, and its pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..image.checkpoints import load_autoencoder, load_prior
from ..image.data import open_images
from ..image.grids import grid_of, side_by_side
from ..image.sampling import PLAIN
from ..results.rows import at
from ..results.tables import NOTHING, Column, markdown, number, percent
from ..writing import write_json, write_text
from . import images as measuring
from .conditions import Conditions
from .image_quality import InceptionFeatures
from .images import Drawing, ImageRow
from .pictures import plot_code_use, write_png
from .timing import pinned_threads

SHOWN, COLUMNS = 64, 8  # images of a picture, and of a row of it


def reconstruct(
    model: Path,
    data: Path,
    split: str,
    count: int,
    out: Path,
    device: str = "cpu",
    batch_size: int = 64,
) -> Path:
    """Writes images beside their reconstructions, and returns the picture's path.

    Args:
        model: checkpoint of an autoencoder.
        data: where images are, see `open_images`.
        split: train, valid or test.
        count: images, the first ones of the split.
        out: folder of `reconstructions.png`.
        device: "cpu", "cuda", ….
        batch_size: images decoded at a time.

    Raises:
        FileNotFoundError: if the checkpoint is missing.
        ValueError: if it does not fit the images, or something cannot be read.
    """
    autoencoder = load_autoencoder(model, device)
    images = open_images(data, split, autoencoder.image_size)
    return write_reconstructions(autoencoder, images, count, out, device, batch_size)


def write_reconstructions(
    autoencoder: Any,
    images: Any,
    count: int,
    out: Path,
    device: str = "cpu",
    batch_size: int = 64,
) -> Path:
    """Does the same with a model that is loaded, and an `ImageSet`."""
    originals = images.images(slice(count))
    parts = [
        autoencoder.reconstruct(batch.to(device)).cpu()
        for batch in originals.split(batch_size)
    ]
    decoded = torch.cat(parts)
    pairs = min(COLUMNS // 2, len(originals))
    picture = side_by_side(originals, decoded, pairs)
    return write_png(picture, out / "reconstructions.png")


def sample(
    model: Path,
    prior: Path | None,
    out: Path,
    drawing: Drawing,
    conditions: Conditions,
    single: bool = False,
) -> list[Path]:
    """Writes samples, and returns the paths of the pictures.

    Args:
        model: checkpoint of an autoencoder.
        prior: checkpoint of its prior; None for the uniform one.
        out: folder of `samples.png`.
        drawing: how many, and how.
        conditions: device and batch size.
        single: also write each sample, as `samples/00000.png` and so on.

    Raises:
        FileNotFoundError: if a checkpoint is missing.
        ValueError: if they do not belong together, or codes cannot be drawn like that.
    """
    autoencoder = load_autoencoder(model, conditions.device)
    loaded = maybe_prior(prior, autoencoder, drawing, conditions.device)
    drawn = measuring.sample_images(autoencoder, loaded, drawing, conditions).images
    columns = min(COLUMNS, len(drawn))
    paths = [write_png(grid_of(drawn, columns), out / "samples.png")]
    if single:
        paths += write_each(drawn, out / "samples")
    return paths


def write_each(drawn: Tensor, folder: Path) -> list[Path]:
    """Writes each image of (N, 3, H, W) as a file, in place of those written before."""
    paths = [
        write_png(image, folder / f"{index:05}.png", scale=1)
        for index, image in enumerate(drawn)
    ]
    index = len(paths)
    while (left := folder / f"{index:05}.png").is_file():  # of more samples than these
        left.unlink()
        index += 1
    return paths


def report(
    model: Path,
    data: Path,
    out: Path,
    split: str = "test",
    prior: Path | None = None,
    log: Path | None = None,
    inception: Path | None = None,
    *,
    drawing: Drawing,
    conditions: Conditions,
) -> ImageRow:
    """Measures a model, and writes `report.json`, `report.md` and pictures.

    Args:
        model: checkpoint of an autoencoder.
        data: where images are, see `open_images`.
        out: folder of all that is written.
        split: of the images.
        prior: checkpoint of a learned prior.
        log: of the autoencoder's training (`fairseq-train --log-format json`).
        inception: a TorchScript Inception, for FID.
        drawing: of samples; FID is of all of them, the picture of the first 64.
        conditions: device, threads and batch size.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if something cannot be read, or does not fit.
    """
    device = conditions.device
    # Everything that may be refused is checked before minutes of measuring.
    network = None if inception is None else InceptionFeatures(inception, device)
    autoencoder = load_autoencoder(model, device)
    loaded = maybe_prior(prior, autoencoder, drawing, device)
    images = open_images(data, split, autoencoder.image_size)
    if network is not None and (fewest := min(len(images), drawing.count)) < 2:
        raise ValueError(
            f"FID must be of at least 2 images, but is of {fewest} instead."
        )
    pictures = [] if log is None else [plot_code_use(log, out / "codes.png")]
    how, drawn = (device, conditions.batch_size), None
    with pinned_threads(conditions.threads):
        row = measuring.measure(autoencoder, images, split, loaded, conditions)
        pictures.append(write_reconstructions(autoencoder, images, SHOWN, out, *how))
        if autoencoder.has_codes:
            sampled = measuring.sample_images(autoencoder, loaded, drawing, conditions)
            row["sampling"] = sampled.describe(loaded is not None, drawing, conditions)
            drawn = sampled.images
            shown = grid_of(drawn[:SHOWN], min(COLUMNS, len(drawn)))
            pictures.append(write_png(shown, out / "samples.png"))
        if network is not None:
            row["fid"] = measuring.describe_fid(
                autoencoder, images, drawn, network, conditions
            )
    write_json(row, out / "report.json")
    write_text(page([row], pictures), out / "report.md")
    return row


def maybe_prior(
    path: Path | None, autoencoder: Any, drawing: Drawing, device: str
) -> Any:
    """Loads a prior if one is named.

    Raises:
        ValueError: if there is none, but only the more probable codes shall be drawn.
    """
    if path is not None:
        return load_prior(path, autoencoder, device)
    # Among equals the "best" would be whichever comes first.
    if drawing.options != PLAIN:
        raise ValueError(
            "`temperature` must be 1 and `top_k` must be 0 without a prior, when all "
            f"codes are equally probable, but they are {drawing.options.temperature} "
            f"and {drawing.options.top_k} instead."
        )
    return None


# ---------------------------------------------------------------------------- the page


def page(rows: list[ImageRow], pictures: list[Path]) -> str:
    """Returns tables of rows and the pictures below them, as Markdown."""
    shown = [f"![{path.stem}]({path.name})" for path in pictures]
    tables = [bits_table(rows), quality_table(rows), sampling_table(rows)]
    parts = [*(table for table in tables if table), notes(rows), *shown]
    return "\n\n".join(parts)


def system(row: ImageRow) -> str:
    """Names a model by its bottleneck."""
    words = [row["vq_kind"], row["vq_assign"], row["vq_update"]]
    if row["vq_num_samples"] is not None:
        words.append(f"M = {row['vq_num_samples'] or 'exact'}")
    book = row["codebook"]
    if book is not None:
        words.append(f"{book['slices']} × {book['codes']} codes")
    return ", ".join(str(word) for word in words if word)


def bits_table(rows: list[ImageRow]) -> str:
    """Returns bits per dimension."""

    def bits(name: str) -> Callable[[ImageRow], str]:
        return lambda row: number(at(row, "bits_per_dim", name), 3)

    columns: list[Column[ImageRow]] = [
        ("bits/dim", system),
        ("reconstruction", bits("reconstruction")),
        ("uniform prior", bits("prior_uniform")),
        ("sum", bits("total_uniform")),
        ("learned prior", bits("prior_learned")),
        ("sum", bits("total_learned")),
    ]
    return markdown(columns, rows)


def quality_table(rows: list[ImageRow]) -> str:
    """Returns likeness of reconstructions, and use of codes."""
    columns: list[Column[ImageRow]] = [
        ("reconstructions", system),
        ("PSNR, dB", lambda row: number(row["psnr"], 2)),
        ("SSIM", lambda row: number(row["ssim"], 4)),
        ("FID", lambda row: number(at(row, "fid", "reconstructions"), 2)),
        ("perplexity", lambda row: number(at(row, "codebook", "perplexity"))),
        ("codes used", lambda row: percent(at(row, "codebook", "used_share"))),
    ]
    return markdown(columns, rows)


def sampling_table(rows: list[ImageRow]) -> str:
    """Returns what samples were drawn from, and how fast; empty if there are none."""
    drawn = [row for row in rows if row["sampling"] is not None]
    if not drawn:
        return ""

    def of(name: str) -> Callable[[ImageRow], Any]:
        return lambda row: at(row, "sampling", name)

    prior, images, temperature = of("prior"), of("images"), of("temperature")
    top_k, speed = of("top_k"), of("images_per_s")
    columns: list[Column[ImageRow]] = [
        ("samples", lambda row: f"{prior(row)} prior"),
        ("number", lambda row: str(images(row))),
        ("temperature", lambda row: str(temperature(row))),
        ("top-k", lambda row: str(top_k(row) or NOTHING)),
        ("FID", lambda row: number(at(row, "fid", "samples"), 2)),
        ("images/s", lambda row: number(speed(row))),
    ]
    return markdown(columns, drawn)


def notes(rows: list[ImageRow]) -> str:
    """Says what was measured, and on what."""
    lines = []
    for row in rows:
        versions = ", ".join(f"{k} {v}" for k, v in row["versions"].items())
        lines.append(
            f"- {row['images']} images of {row['data']}; likelihood "
            f"{row['likelihood']}, {row['parameters'] / 1e6:.2f} M parameters; "
            f"{row['processor']}, {row['threads']} thread(s), {row['dtype']}; "
            f"{versions}; commit {row['commit']}."
        )
    lines.append(
        "- Sums are upper bounds on -log p(x): codes are decided, not summed over. "
        "PSNR and SSIM are means over images, PSNR without exact reconstructions, of "
        "which it is infinite; perplexity and use of codes are those over all images, "
        "means over slices."
    )
    if any(is_of_few(row) for row in rows):
        lines.append(
            "- FID of fewer images than features, as here, is too large and not "
            "comparable; samples are as many as `--count` says."
        )
    return "\n".join(lines)


def is_of_few(row: ImageRow) -> bool:
    """Tells whether FID is of fewer images than features: covariances are singular."""
    if (fid := row["fid"]) is None:
        return False
    counts = [fid["originals"], fid["sampled"]]
    return min(count for count in counts if count is not None) < fid["features"]
