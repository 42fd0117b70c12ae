"""What an autoencoder of latent mode did to its columns, for the summary of ``compress`` and for ``info``."""

from __future__ import annotations

from collections.abc import Mapping

from .tables import plural, print_lines, print_table

__all__ = ("print_autoencoder",)


def __dir__() -> tuple[str, ...]:
    return __all__


def print_autoencoder(
    title: str, nominal: float, true: float | None, n_latent: int, errors: Mapping[str, Mapping[str, float]]
) -> None:
    """Print ratios, and the measured errors of every column.

    Parameters
    ----------
    title
        Of the table.
    nominal, true
        Columns over latents, and bytes as float32 over the bytes that are stored for them.
    n_latent
        Latents a row.
    errors
        ``rms``, ``largest`` and ``bias`` by column, in the column's unit.
    """
    rows = [
        (column, f"{error['rms']:.3g}", f"{error['largest']:.3g}", f"{error['bias']:+.2g}")
        for column, error in errors.items()
    ]
    print_table(title, ("column", "RMS error", "largest error", "bias"), rows)
    stored = "unknown" if true is None else f"{true:.2f}"
    print_lines(
        [
            (
                f"{plural(len(errors), 'column')} in {plural(n_latent, 'latent')}: nominal ratio {nominal:.2f}, "
                f"true ratio {stored} in bytes against float32, decoder and all"
            ),
            "",
        ]
    )
