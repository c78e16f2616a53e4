"""Owns how options change over the training: temperature and number of samples.

Pure functions of the number of updates, so that a resumed training goes on where it
stopped. Training sees averages of codes, decoding single ones; a schedule that ends at
one sample, or at a low temperature, closes that gap.
"""

from .config import BottleneckConfig


def progress(config: BottleneckConfig, num_updates: int) -> float:
    """Share of the schedule that is done, from 0 at the end of the warm-up to 1."""
    if config.vq_schedule == "constant":
        return 0.0
    done = (num_updates - config.vq_warmup_updates) / config.vq_schedule_updates
    return min(1.0, max(0.0, done))


def linear(start: float, end: float, share: float) -> float:
    """Computes start + (end - start) share."""
    return start + (end - start) * share


def exponential(start: float, end: float, share: float) -> float:
    """Computes start (end / start)^share: the same factor in every update."""
    return start * (end / start) ** share


_CURVES = {"constant": linear, "linear": linear, "exponential": exponential}


def temperature(config: BottleneckConfig, num_updates: int) -> float:
    """The temperature tau, or its factor if it is relative, after so many updates."""
    start, end = config.vq_temperature, config.vq_temperature_end
    curve = _CURVES[config.vq_schedule]
    return curve(start, end or start, progress(config, num_updates))


def num_samples(config: BottleneckConfig, num_updates: int) -> int:
    """The number of samples M after so many updates; 0 is the exact expectation."""
    start, end = config.vq_num_samples, config.vq_num_samples_end
    if end == 0:
        return start
    curve = _CURVES[config.vq_schedule]
    return round(curve(start, end, progress(config, num_updates)))
