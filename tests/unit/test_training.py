"""What the tasks of all rooms share: the figures of an update."""

import torch

from vq_nat import training


def test_figures_become_the_numbers_they_were(device) -> None:
    logs = [
        {
            "loss": torch.tensor(0.1, device=device),
            "hits": torch.tensor(3, device=device),
            "exact": torch.tensor([0.1], dtype=torch.float64, device=device),
            "words": 7,
        },
        {"loss": torch.tensor(2.5, device=device), "hits": torch.tensor(4).to(device)},
    ]
    first, second = training.on_host(logs)
    assert first == {
        "loss": torch.tensor(0.1).item(),
        "hits": 3,
        "exact": 0.1,
        "words": 7,
    }
    assert second == {"loss": 2.5, "hits": 4}
    assert isinstance(first["hits"], int)


def test_what_is_no_figure_stays_as_it_is() -> None:
    counts = torch.arange(3)
    (log,) = training.on_host([{"counts": counts, "name": "valid"}])
    assert log["counts"] is counts
    assert log["name"] == "valid"
    assert training.on_host([]) == []
