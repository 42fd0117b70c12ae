"""From the decoder that was trained to the one that is stored: steps of the latents, and weights as whole numbers.

The network's own error sets the scale of both. A latent's step is the larger the less the output depends on it, and all
steps together are as large as they may be for what rounding adds to stay a given share of the error that is there
anyway; then weights get as few bits as keep what they add below half of that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..autoencoders.chain import Affine, Chain
from ..errors import InputError, ModelError
from .network import EXACT, TOP, ExactLayer, ExactNetwork

__all__ = ("ROUNDING", "Frozen", "freeze")

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# What rounding latents adds, as a share of the network's own error: 0.15 in quadrature is one per cent.
ROUNDING = 0.15
_WEIGHT_BITS = range(8, 22)
_MARGIN = 8.0  # of activations beyond what the sample shows
_NUDGE = 0.05  # of a latent's spread, when its effect is measured
_LEAST_ERROR = 2.0**-10  # of a feature's spread; a feature without error would ask for latents without end
_MOST_EXPONENT = 40


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True, eq=False)
class Frozen:
    """A decoder as it is stored, and how its integers come from the encoder's numbers.

    Attributes
    ----------
    network
        The decoder.
    steps
        Step of each latent, shape (n_latent,).
    weight_bits
        Bits of the largest weight of each layer, with its sign.
    added
        What all rounding adds, as a share of the network's own error, on the sample.
    """

    network: ExactNetwork
    steps: FloatArray
    weight_bits: int
    added: float

    def quantise(self, latents: FloatArray) -> IntArray:
        """Latents as integers, shape (n_rows, n_latent)."""
        integers: IntArray = np.clip(np.rint(latents / self.steps), -TOP, TOP).astype(np.int64)
        return integers


def freeze(
    chain: Chain,
    latents: FloatArray,
    features: FloatArray,
    counts: IntArray | None = None,
    *,
    rounding: float = ROUNDING,
) -> Frozen:
    """Choose steps and weights.

    Parameters
    ----------
    chain
        The decoder as it was trained.
    latents, features
        What the encoder gives for a sample of rows, and what the decoder should give; shapes (n_rows, n_latent) and
        (n_rows, n_features).
    counts
        Lengths of the lists of the sample.
    rounding
        What rounding may add, as a share of the network's own error, above 0.

    Raises
    ------
    InputError
        If `rounding` is not positive, or there are no rows.
    ModelError
        If the decoder's numbers are too large to be exact.
    """
    if not rounding > 0 or not len(latents):
        msg = f"rounding must be above 0 and there must be rows to judge it, not {rounding} of {len(latents)} rows"
        raise InputError(msg)
    smooth = chain.apply(latents, counts)
    spread = np.maximum(features.std(axis=0), np.finfo(np.float64).tiny)
    own = np.maximum(np.sqrt(np.mean((features - smooth) ** 2, axis=0)), _LEAST_ERROR * spread)

    def added(found: FloatArray) -> float:
        return float(np.sqrt(np.mean(np.mean((found - smooth) ** 2, axis=0) / own**2)))

    unit = _unit_steps(chain, latents, counts, added)

    def rounded(scale: float) -> float:
        steps = unit * scale
        return added(chain.apply(np.rint(latents / steps) * steps, counts))

    steps = unit * _largest(rounded, rounding)
    integers = np.rint(latents / steps)
    if np.abs(integers).max() > TOP:
        msg = f"latents would need integers up to {np.abs(integers).max():.3g}, more than {TOP}: let rounding add more than {rounding}"
        raise ModelError(msg)
    coarse = chain.apply(integers * steps, counts)
    peaks = _peaks(chain, integers * steps, counts)
    for bits in _WEIGHT_BITS:
        network = _network(chain, steps, peaks, bits)
        found = network.run(integers.astype(np.int64), counts)
        if added(found - coarse + smooth) <= rounding / 2:
            break
    return Frozen(network, steps, bits, added(found))


def _unit_steps(
    chain: Chain, latents: FloatArray, counts: IntArray | None, added: Callable[[FloatArray], float]
) -> FloatArray:
    """Steps that all matter alike: the change of a latent that moves the output by its own error."""
    spread = latents.std(axis=0)
    steps = np.empty(latents.shape[1])
    for number in range(latents.shape[1]):
        nudge = _NUDGE * spread[number] if spread[number] > 0 else 1.0
        moved = latents.copy()
        # Up and down by turns, so that neighbours do not move alike.
        moved[:, number] += nudge * np.where(np.arange(len(latents)) % 2, 1.0, -1.0)
        effect = added(chain.apply(moved, counts))
        # A latent that nothing depends on is all but dropped.
        steps[number] = nudge / max(effect, 1e-6)
    return steps


def _largest(effect: Callable[[float], float], most: float) -> float:
    """The largest factor (in steps of 2 %) whose effect is at most `most`; effects grow with it."""
    low, high = -40.0, 20.0
    while high - low > 0.03:
        middle = (low + high) / 2
        low, high = (middle, high) if effect(2.0**middle) <= most else (low, middle)
    return float(2.0**low)


def _peaks(chain: Chain, latents: FloatArray, counts: IntArray | None) -> list[float]:
    """Largest output of each layer."""
    firsts = (Chain(chain.layers[: n + 1]) for n in range(len(chain.layers)))
    return [float(np.abs(first.apply(latents, counts)).max()) for first in firsts]


def _network(chain: Chain, steps: FloatArray, peaks: list[float], bits: int) -> ExactNetwork:
    """The chain in whole numbers: weights of `bits` bits, activations as fine as `TOP` allows."""
    layers: list[ExactLayer] = []
    incoming = 0  # an activation of 1.0 is 2^incoming; latents are integers already
    for number, layer in enumerate(chain.layers):
        weight = layer.weight * steps[:, None] if number == 0 else layer.weight
        last = number == len(chain.layers) - 1
        outgoing = 0 if last else _exponent(peaks[number] * _MARGIN, TOP)
        exponent = max(_exponent(float(np.abs(weight).max()), 2.0 ** (bits - 1) - 1), outgoing - incoming, -incoming)
        layers.append(_layer(layer, weight, exponent, incoming, outgoing))
        incoming = outgoing
    return ExactNetwork(tuple(layers))


def _layer(layer: Affine, weight: FloatArray, exponent: int, incoming: int, outgoing: int) -> ExactLayer:
    whole = np.rint(np.ldexp(weight, exponent)).transpose(0, 2, 1)
    bias = np.rint(np.ldexp(layer.bias, exponent + incoming))
    if (np.abs(whole).sum(axis=(0, 2)) * TOP + np.abs(bias)).max() > EXACT:
        msg = f"weights of the decoder up to {np.abs(layer.weight).max():.3g} are too large to compute with exactly"
        raise ModelError(msg)
    return ExactLayer(
        whole.astype(np.int64), bias.astype(np.int64), exponent + incoming - outgoing, layer.negative_slope.copy()
    )


def _exponent(largest: float, top: float) -> int:
    """The exponent e for which ``largest * 2^e`` just does not exceed `top`."""
    if largest == 0:
        return 0
    return int(np.clip(np.floor(np.log2(top / largest)), -_MOST_EXPONENT, _MOST_EXPONENT))
