"""The members by name, and one from outside the package."""

from collections.abc import Iterator
from dataclasses import fields

import pytest
import torch
from torch import Tensor, nn

from vq_nat.bottleneck import (
    Bottleneck,
    BottleneckConfig,
    BottleneckOutput,
    build_bottleneck,
    register_bottleneck,
    straight_through,
)
from vq_nat.bottleneck.members import MEMBERS


class Signs(Bottleneck):
    """Two codes a slice, by the sign of its sum: the vectors ±size."""

    own_options = {"size": 1.0, "odd": 0}

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        code = torch.full((self.num_slices, 1, self.code_width), self.options["size"])
        self.codes = nn.Buffer(torch.cat([-code, code], dim=1))

    @classmethod
    def check_options(cls, config: BottleneckConfig) -> None:
        """Refuses other numbers of codes."""
        if config.vq_num_codes != 2:
            raise ValueError("`vq_num_codes` must be 2 with `vq_kind` 'signs'.")

    @property
    def codebook(self) -> Tensor:
        """The two vectors."""
        return self.codes

    def quantize_rows(self, z: Tensor) -> BottleneckOutput:
        """Takes the sign."""
        codes = (z.unflatten(-1, (self.num_slices, -1)).sum(-1) > 0).long()
        weights = nn.functional.one_hot(codes, 2).float()
        quantized = straight_through(z, self.lookup(codes))
        return BottleneckOutput(quantized, codes, weights, z.new_zeros(()), {})


@pytest.fixture
def signs() -> Iterator[None]:
    """Registers the member from outside."""
    register_bottleneck("signs")(Signs)
    yield
    del MEMBERS._classes["signs"]


def test_the_help_names_every_member() -> None:
    option = next(one for one in fields(BottleneckConfig) if one.name == "vq_kind")
    listed = option.metadata["help"].replace(",", "").replace(":", "").split()
    assert {*MEMBERS.names()} <= {*listed}


@pytest.mark.usefixtures("signs")
def test_a_member_from_outside_is_built_and_masked() -> None:
    config = BottleneckConfig(
        vq_kind="signs", vq_num_codes=2, vq_slices=2, vq_options="size=0.5"
    )
    bottleneck = build_bottleneck(config, 4)
    mask = torch.tensor([[True, False, True]])
    out = bottleneck(torch.randn(1, 3, 4), mask)
    assert out.codes.shape == (1, 3, 2) and (out.quantized[:, 1] == 0).all()
    assert torch.equal(out.quantized[mask], bottleneck.lookup(out.codes)[mask])
    assert out.quantized[mask].abs().unique().tolist() == [0.5]
    assert bottleneck.options == {"size": 0.5, "odd": 0}


@pytest.mark.usefixtures("signs")
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("sise=1", "`vq_options` must name size, odd, but is 'sise=1' instead"),
        ("odd=1.5", "`odd` of `vq_options` must be of type int, but is '1.5' instead"),
        ("size", "`size` of `vq_options` must be of type float, but is '' instead"),
    ],
)
def test_options_that_it_has_not_are_refused(options: str, sentence: str) -> None:
    config = BottleneckConfig(vq_kind="signs", vq_num_codes=2, vq_options=options)
    with pytest.raises(ValueError, match=sentence):
        build_bottleneck(config, 4)


@pytest.mark.usefixtures("signs")
def test_what_it_cannot_work_with_is_refused() -> None:
    with pytest.raises(ValueError, match="`vq_num_codes` must be 2 with .* 'signs'"):
        build_bottleneck(BottleneckConfig(vq_kind="signs", vq_num_codes=4), 4)


def test_members_of_the_package_have_no_options_by_name() -> None:
    with pytest.raises(ValueError, match="must name nothing, as this kind has none"):
        build_bottleneck(BottleneckConfig(vq_options="size=1"), 4)
