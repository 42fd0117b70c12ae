"""A learned coder as bytes and back: its own small framed layout, plain tensors, no code.

::

    magic "HBLC" | version 1 or 2 | structure: varint length, JSON (UTF-8) | tensors: varint count, varint length, plain page

Every tensor is integers in a plain page (`hepbaler.coding.plain`); its shape follows from the structure.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import zstandard

from hepbaler.coding import plain
from hepbaler.coding.decoder import IntegerLayer, IntegerNet
from hepbaler.coding.elements import ElementsCoder
from hepbaler.coding.learned import LATENT_TOP, MAX_BLOCKS, LearnedCoder, LearnedColumn
from hepbaler.coding.tensors import TensorReader, structure_from_frame, tensor_to_bytes
from hepbaler.errors import CorruptFile, NotHepbalerFile, UnsupportedFeature
from hepbaler.features.hints import TERM_KINDS, LinearHint, Term
from hepbaler.features.ranks import MASS_BITS, MAX_BINS, RankTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hepbaler.coding.elements import Coder

    IntArray = NDArray[np.int64]

__all__ = ("coder_from_bytes", "coder_to_bytes")


def __dir__() -> tuple[str, ...]:
    return __all__


_MAGIC = b"HBLC"
# Without blocks, and with them: a reader that knows none must refuse pages that are cut.
_PLAIN, _IN_BLOCKS = 1, 2
# Of the places in lists, with the coder of the places behind it.
_OF_ELEMENTS = 3
_MOST_NAME = 1 << 16
_MOST_WIDTH = 4096


def coder_to_bytes(coder: Coder) -> bytes:
    """Everything a reader needs, in one run of bytes."""
    if isinstance(coder, ElementsCoder):
        key = coder.key.encode()
        head = [_MAGIC, bytes([_OF_ELEMENTS]), plain.write_varint(coder.size), plain.write_varint(len(key)), key]
        return b"".join([*head, coder_to_bytes(coder.places)])
    tables = [*coder.input_ranks, *(column.ranks for column in coder.columns)]
    structure = {
        "inputs": list(coder.inputs),
        "bins": [table.n_bins for table in tables],
        "latents": coder.n_latent,
        **({"blocks": coder.blocks} if coder.blocks > 1 else {}),
        "columns": [
            {
                "name": column.name,
                "parents": list(column.parents),
                "uniform": column.uniform,
                "widths": [int(layer.bias.size) for layer in column.net.layers[:2]],
                "hint": [[TERM_KINDS.index(term.kind), *term.slots] for term in column.hint.terms]
                if column.hint
                else None,
            }
            for column in coder.columns
        ],
    }
    text = zstandard.ZstdCompressor(level=19).compress(json.dumps(structure, separators=(",", ":")).encode())
    layers = [layer for column in coder.columns for layer in column.net.layers]
    hints = [[column.hint.offset, *column.hint.weights] for column in coder.columns if column.hint]
    tensors = [
        np.array([table.base[0] for table in tables], np.int64),
        _joined([_gaps(table) for table in tables]),
        _joined([table.shift for table in tables]),
        _joined([table.mass[:-1] for table in tables]),
        *(_joined([layer.weight.ravel() for layer in layers[number::3]]) for number in range(3)),
        _joined([layer.bias for layer in layers]),
        _joined([layer.exponent for layer in layers]),
        np.array([number for hint in hints for number in hint], "<f8").view(np.int64),
        coder.latent_mass[:, :-1].ravel(),
    ]
    body = [_MAGIC, bytes([_PLAIN if coder.blocks == 1 else _IN_BLOCKS]), plain.write_varint(len(text)), text]
    return b"".join([*body, *(tensor_to_bytes(tensor) for tensor in tensors)])


def coder_from_bytes(data: bytes) -> Coder:
    """The inverse of `coder_to_bytes`.

    Raises
    ------
    NotHepbalerFile, UnsupportedFeature, CorruptFile
        If the bytes are no model, one of a newer version, or contradict themselves.
    """
    if data[:4] != _MAGIC:
        msg = f"model starts with {data[:4]!r} instead of {_MAGIC!r}"
        raise NotHepbalerFile(msg)
    if data[4:5] == bytes([_OF_ELEMENTS]):
        return _elements_from_bytes(data)
    if len(data) < 5 or data[4] not in (_PLAIN, _IN_BLOCKS):
        msg = (
            f"model has version {data[4:5].hex() or 'none'}; this version of hepbaler reads {_PLAIN} to {_OF_ELEMENTS}"
        )
        raise UnsupportedFeature(msg)
    length, start = plain.read_varint(data, 5)
    try:
        structure: Any = json.loads(structure_from_frame(data[start : start + length], start))
        blocks = _whole(structure["blocks"], 2, MAX_BLOCKS) if data[4] == _IN_BLOCKS else 1
        return _rebuild(structure, TensorReader(data, start + length), blocks)
    except (
        zstandard.ZstdError,
        UnicodeDecodeError,
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        RecursionError,
    ) as error:
        msg = f"model cannot be read: its structure is damaged ({type(error).__name__}: {error})"
        raise CorruptFile(msg, section="model") from error


def _elements_from_bytes(data: bytes) -> ElementsCoder:
    size, start = plain.read_varint(data, 5)
    length, start = plain.read_varint(data, start)
    name, inner = data[start : start + length], data[start + length :]
    # One within the other would go on for as long as the bytes do.
    places = None if inner[:5] == _MAGIC + bytes([_OF_ELEMENTS]) else coder_from_bytes(inner)
    if length > _MOST_NAME or not isinstance(places, LearnedCoder):
        msg = "model of the places in lists cannot be read: its name or the coder behind it is damaged"
        raise CorruptFile(msg, section="model")
    try:
        key = name.decode()
    except UnicodeDecodeError as error:
        msg = f"model of the places in lists has a name that is no text: {error}"
        raise CorruptFile(msg, section="model") from error
    return ElementsCoder(key, size, places)


class _Cursor:
    """Cuts a flat tensor into parts."""

    def __init__(self, flat: IntArray) -> None:
        self._flat, self._at = flat, 0

    def take(self, size: int) -> IntArray:
        self._at += size
        return self._flat[self._at - size : self._at]


def _rebuild(structure: Any, tensors: TensorReader, blocks: int) -> LearnedCoder:
    inputs = [_text(name) for name in structure["inputs"]]
    columns = structure["columns"]
    bins = [_whole(number, 1, MAX_BINS) for number in structure["bins"]]
    n_latent = _whole(structure["latents"], 0, 1024)
    if len(bins) != len(inputs) + len(columns):
        msg = f"model has rank tables for {len(bins)} columns but names {len(inputs) + len(columns)}"
        raise CorruptFile(msg, section="model", expected=len(inputs) + len(columns), found=len(bins))
    hints = [_terms(column["hint"]) for column in columns]
    shapes: list[list[tuple[int, int]]] = []
    for column, terms in zip(columns, hints, strict=True):
        first, second = (_whole(width, 1, _MOST_WIDTH) for width in column["widths"])
        n_inputs = len(column["parents"]) + n_latent + (terms is not None)
        shapes.append([(first, n_inputs), (second, first), (3, second)])
    base = tensors.take(len(bins))
    gaps, shift, mass = (_Cursor(tensors.take(sum(bins) - (len(bins) if k == 0 else 0))) for k in range(3))
    weights = [_Cursor(tensors.take(sum(shape[k][0] * shape[k][1] for shape in shapes))) for k in range(3)]
    bias, exponent = (_Cursor(tensors.take(sum(n for shape in shapes for n, _ in shape))) for _ in range(2))
    hint_numbers = _Cursor(tensors.take(sum(len(terms) + 1 for terms in hints if terms is not None)))
    latent = tensors.take(n_latent * 2 * LATENT_TOP).reshape(n_latent, 2 * LATENT_TOP)
    tensors.finish()
    ranks = [_ranks(int(base[i]), gaps.take(n - 1), shift.take(n), mass.take(n)) for i, n in enumerate(bins)]
    made = []
    for number, (column, terms, shape) in enumerate(zip(columns, hints, shapes, strict=True)):
        layers = [
            IntegerLayer(weights[k].take(n * m).reshape(n, m), bias.take(n), exponent.take(n))
            for k, (n, m) in enumerate(shape)
        ]
        hint = None
        if terms is not None:
            offset, *factors = hint_numbers.take(len(terms) + 1).view(np.float64).tolist()
            hint = LinearHint(tuple(terms), tuple(factors), offset)
        made.append(
            LearnedColumn(
                name=_text(column["name"]),
                ranks=ranks[len(inputs) + number],
                parents=tuple(_whole(slot, 0, len(bins)) for slot in column["parents"]),
                uniform=_whole(column["uniform"], 1, 16),
                net=IntegerNet((layers[0], layers[1], layers[2])),
                hint=hint,
            )
        )
    latent_mass = np.concatenate([latent, (1 << MASS_BITS) - latent.sum(axis=1, keepdims=True)], axis=1)
    return LearnedCoder(tuple(inputs), tuple(ranks[: len(inputs)]), tuple(made), latent_mass, blocks)


def _ranks(base: int, gaps: IntArray, shift: IntArray, mass: IntArray) -> RankTable:
    if shift.size and not 0 <= int(shift.min()) <= int(shift.max()) <= 62:
        msg = f"model: a bin of a rank table holds 2^{int(shift.min())} to 2^{int(shift.max())} values; 2^0 to 2^62 are possible"
        raise CorruptFile(msg, section="model")
    between, widths = gaps.view(np.uint64), np.uint64(1) << shift[:-1].astype(np.uint64)
    last = base + sum(between.tolist()) + sum(widths.tolist())
    if not -(1 << 63) <= last < 1 << 63:
        msg = "model: bins of a rank table leave the range of 64-bit integers"
        raise CorruptFile(msg, section="model", found=last)
    # No sum on the way is larger than the last.
    bases = base + np.concatenate([np.zeros(1, np.int64), np.cumsum(between + widths).view(np.int64)])
    escape = (1 << MASS_BITS) - int(mass.sum())
    return RankTable(bases, shift, np.append(mass, escape))


def _gaps(table: RankTable) -> IntArray:
    """Values between the end of a bin and the start of the next, modulo 2^64."""
    step = table.base[1:].view(np.uint64) - table.base[:-1].view(np.uint64)
    return (step - (np.uint64(1) << table.shift[:-1].astype(np.uint64))).view(np.int64)


def _terms(terms: Any) -> list[Term] | None:
    if terms is None:
        return None
    return [
        Term(TERM_KINDS[_whole(kind, 0, len(TERM_KINDS) - 1)], tuple(_whole(s, 0, 1 << 20) for s in slots))
        for kind, *slots in terms
    ]


def _joined(parts: Sequence[IntArray]) -> IntArray:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _whole(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        msg = f"model structure holds {value!r} where a whole number from {low} to {high} is expected"
        raise CorruptFile(msg, section="model", found=value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        msg = f"model structure holds {value!r} where a name is expected"
        raise CorruptFile(msg, section="model", found=value)
    return value
