"""Owns how a student starts from its teacher: what is copied, and when that fails."""

from collections.abc import Mapping

from torch import Tensor, nn

LAYERS = ("layers.", "layer_norm.")


def layers_of(weights: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """Returns the layers of a Transformer's encoder or decoder, and their last norm.

    Args:
        weights: of the model, by name.
        part: "encoder" or "decoder".

    Returns:
        The tensors, named without the part.
    """
    start = f"{part}."
    part_of = {k: t for k, t in weights.items() if k.startswith(start)}
    weights_of_part = {k.removeprefix(start): t for k, t in part_of.items()}
    return {name: t for name, t in weights_of_part.items() if name.startswith(LAYERS)}


def for_student(teacher: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns a teacher's tensors by the names of a latent model's stages."""
    renamed = {"embed_tokens.weight": teacher["decoder.embed_tokens.weight"]}
    stages = {"encoder": "encoder", "decoder": "decoder", "predictor": "decoder"}
    for stage, origin in stages.items():
        layers = layers_of(teacher, origin)
        renamed |= {f"{stage}.{name}": tensor for name, tensor in layers.items()}
    return renamed


def copy_weights(
    model: nn.Module, weights: Mapping[str, Tensor], origin: object
) -> int:
    """Copies those of a teacher's tensors that a student has under the same name.

    Args:
        model: the student.
        weights: of the teacher, by the names of the student.
        origin: where they are from, to name it in errors.

    Returns:
        How many tensors were copied.

    Raises:
        ValueError: if a shape does not fit, or only one of the two is pre-norm.
    """
    own = model.state_dict()
    copied = {name: tensor for name, tensor in weights.items() if name in own}
    for name, tensor in copied.items():
        if own[name].shape != tensor.shape:
            raise ValueError(
                f"`{name}` of the teacher must have shape "
                f"{tuple(own[name].shape)}, but has {tuple(tensor.shape)} instead: "
                "teacher and student need the same width, heads and dictionary."
            )
    for part in ("encoder", "decoder"):
        name = f"{part}.layer_norm.weight"  # which only pre-norm layers need
        if (name in weights) != (name in own):
            wanted, other = ("pre", "post") if name in own else ("post", "pre")
            raise ValueError(
                f"the {part} of the teacher {origin} must be {wanted}-norm (--{part}-"
                f"normalize-before), as the student's is, but is {other}-norm instead."
            )
    # fairseq's own loading would take this part for a checkpoint of an old version, and
    # remove the last norms.
    nn.Module.load_state_dict(model, copied, strict=False)
    return len(copied)
