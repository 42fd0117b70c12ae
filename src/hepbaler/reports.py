"""What the main verbs did, as frozen records: for the summary on the screen, for `--json` and for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .latent.entry import ColumnError

__all__ = ("AutoencoderReport", "CompressReport", "TableReport", "TrainReport")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class TableReport:
    """One table of an archive.

    Attributes
    ----------
    tree, name
        Which.
    rows
        Number of rows in the whole tree.
    columns, stored, learned
        How many columns it has; how many have pages of their own (others repeat another column or never change); how
        many of those are coded by a model.
    raw_bytes
        Size as plain arrays.
    plain_bytes
        What the plain coder would have taken, estimated on the sample.
    archive_bytes
        Pages, latents and the table's model.
    """

    tree: str
    name: str
    rows: int
    columns: int
    stored: int
    learned: int
    raw_bytes: int
    plain_bytes: int
    archive_bytes: int


@dataclass(frozen=True)
class AutoencoderReport:
    """One autoencoder of an archive in latent mode.

    Attributes
    ----------
    tree, table, model
        Where, and which kind.
    n_latent
        Latents a row.
    rows
        Number of rows in the whole tree.
    latent_bytes, page_bytes, decoder_bytes
        Coded latents; exceptions and digests of the columns; the decoder.
    errors
        Measured error of each column, over all values.
    steps, seconds
        Of training.
    rounding
        What rounding latents and weights adds, as a share of the network's own error, on the sample.
    history
        Of training, as plain data.
    """

    tree: str
    table: str
    model: str
    n_latent: int
    rows: int
    latent_bytes: int
    page_bytes: int
    decoder_bytes: int
    errors: dict[str, ColumnError]
    steps: int
    seconds: float
    rounding: float
    history: Mapping[str, Any]

    @property
    def nominal_ratio(self) -> float:
        """Columns over latents."""
        return len(self.errors) / self.n_latent

    @property
    def true_ratio(self) -> float:
        """Bytes of the columns as float32 over all bytes that are stored for them."""
        stored = self.latent_bytes + self.page_bytes + self.decoder_bytes
        return 4 * len(self.errors) * self.rows / max(stored, 1)


@dataclass(frozen=True)
class CompressReport:
    """What `compress` did.

    Attributes
    ----------
    source, target
        Paths.
    source_bytes, raw_bytes, archive_bytes
        Size of the ROOT file, of its values as plain arrays, and of the archive with everything in it.
    trees, branches, entries
        How many were carried; `entries` is the sum over trees.
    values, exceptions
        Values that were written and checked against their bound, and those kept bit for bit because the grid could
        not hold them.
    tables
        One a table.
    bytes_by_part
        Bytes of the archive by what they are.
    seconds
        Wall time by phase.
    train_steps
        Steps taken, by tree and table.
    notes
        What the reader should know, a sentence each.
    left_out
        Branches and objects that could not be carried, and why.
    autoencoders
        Those of latent mode.
    """

    source: str
    target: str
    source_bytes: int
    raw_bytes: int
    archive_bytes: int
    trees: int
    branches: int
    entries: int
    values: int
    exceptions: int
    tables: tuple[TableReport, ...]
    bytes_by_part: dict[str, int]
    seconds: dict[str, float]
    train_steps: dict[str, int]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    autoencoders: tuple[AutoencoderReport, ...] = ()

    @property
    def ratio(self) -> float:
        """Size of the source over size of the archive."""
        return self.source_bytes / max(self.archive_bytes, 1)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        ratios = [{"nominal_ratio": one.nominal_ratio, "true_ratio": one.true_ratio} for one in self.autoencoders]
        data = asdict(self)
        data["autoencoders"] = [one | more for one, more in zip(data["autoencoders"], ratios, strict=True)]
        return data | {"ratio": self.ratio}


@dataclass(frozen=True)
class TrainReport:
    """What `train` did.

    Attributes
    ----------
    sources, target
        Paths.
    model_bytes
        Size of the model file.
    tables
        One a table that a model was trained for.
    seconds
        Wall time by phase.
    train_steps
        Steps taken, by tree and table.
    notes
        What the reader should know.
    """

    sources: tuple[str, ...]
    target: str
    model_bytes: int
    tables: tuple[TableReport, ...]
    seconds: dict[str, float]
    train_steps: dict[str, int]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)
