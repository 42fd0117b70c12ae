"""What ``hepbaler info`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .latenttable import print_autoencoder
from .tables import bytes_text, plural, print_lines, print_table, ratio_text

__all__ = ("print_contents", "print_trace")

# Columns of each tree that are shown unless all are asked for.
_LARGEST = 16


def __dir__() -> tuple[str, ...]:
    return __all__


def print_contents(info: Mapping[str, Any], *, all_columns: bool) -> None:
    """Print an archive's description.

    Parameters
    ----------
    info
        From `hepbaler.archive.Archive.info`.
    all_columns
        List every column instead of the largest ones.
    """
    source, ratio = info["source"], info["ratio"]
    parts = {name: size for name, size in info["bytes_by_part"].items() if size}
    print_table(
        f"{info['path']}  {bytes_text(info['bytes'])}",
        ("part", "bytes", "share"),
        [
            *((name, f"{size:,}", _share(size, info["bytes"])) for name, size in parts.items()),
            ("all", f"{info['bytes']:,}", "100.0 %"),
        ],
        total=True,
    )
    settings = info["settings"] or {}
    made_from = f"made from {source.get('name', 'an unknown file')}, {bytes_text(source.get('bytes', 0))}"
    if settings.get("keep") or settings.get("drop") or info["left_out"]:
        # What was left out must not count as compressed.
        made_from += f", in part: {_times(ratio['arrays'])} smaller than the arrays of what is kept"
    else:
        made_from += (
            f": {_times(ratio['source'])} smaller than the ROOT file, {_times(ratio['arrays'])} than its arrays"
        )
    print_lines([f"{made_from} ({bytes_text(info['raw_bytes'])})", ""])
    for tree in info["trees"]:
        _print_tree(tree, all_columns=all_columns)
    _print_rest(info)


def print_trace(traced: Mapping[str, Any], *, all_columns: bool) -> None:
    """Print what a read cost.

    Parameters
    ----------
    traced
        From `hepbaler.archive.Archive.trace`.
    all_columns
        List every column that was decoded instead of the largest ones.
    """
    for tree in traced["trees"]:
        columns = sorted(tree["columns"], key=lambda column: (not column["asked"], -column["bytes"]))
        shown = columns if all_columns else columns[:_LARGEST]
        rows = [
            (column["column"], "asked" if column["asked"] else "needed", f"{column['pages']:,}", f"{column['bytes']:,}")
            for column in shown
        ]
        if len(columns) > len(shown):
            rows.append((f"{len(columns) - len(shown):,} more: --columns", "", "", ""))
        rows.append(("all", "", f"{tree['pages']:,}", f"{tree['bytes']:,}"))
        title = f"{tree['path']}  {plural(len(tree['branches']), 'branch', 'branches')}, entries "
        title += f"{tree['entry_start']:,} to {tree['entry_stop']:,}"
        print_table(title, ("column", "decoded because", "pages", "bytes"), rows, total=True)
        share = _share(tree["bytes"], tree["all_bytes"])
        print_lines(
            [
                f"decoded: {len(columns):,} of {plural(tree['all_columns'], 'column')}",
                f"         {tree['pages']:,} of {plural(tree['all_pages'], 'page')}",
                f"         {bytes_text(tree['bytes'])} of {bytes_text(tree['all_bytes'])} ({share})",
                "",
            ]
        )
    print_lines([f"read in {plural(traced['requests'], 'request')}, besides opening {traced['path']}"])


def _print_tree(tree: Mapping[str, Any], *, all_columns: bool) -> None:
    clusters = plural(tree["clusters"], "cluster")
    if tree["segments"] > 1:
        clusters += f" and {tree['segments']} segments"
    sizes = {"arrays": "raw_bytes", "pages": "page_bytes", "latents": "latent_bytes", "nearest rows": "place_bytes",
             "model": "model_bytes"}  # fmt: skip
    # Most archives have none of the rarer parts.
    seen = [n for n in sizes if n in ("arrays", "pages") or any(table[sizes[n]] for table in tree["tables"])]
    print_table(
        f"{tree['path']}  {tree['kind']}, {plural(tree['entries'], 'entry', 'entries')} in {clusters}, "
        f"{plural(tree['branches'], 'branch', 'branches')}",
        ("table", "rows", "columns", "learned", *seen),
        [
            (
                table["table"],
                f"{table['rows']:,}",
                f"{table['columns']:,}",
                f"{table['learned']:,}",
                *(bytes_text(table[sizes[name]]) for name in seen),
            )
            for table in tree["tables"]
        ],
    )
    ways = {
        "parent": "of their own",
        "aligned": "at the same place",
        "item": "at fixed places",
        "nearest": "in the nearest row",
        "lineage": "in the mother's row, by",
        "before": "in the row before",
    }
    links = [
        f"{link['table']} sees {link['target']} {ways.get(link['kind'], 'by')}{' ' + link['index'] if link['index'] else ''}: "
        f"{', '.join(link['columns'])}"
        for link in tree["links"]
    ]
    print_lines([*links, ""] if links else [])
    for one in tree["autoencoders"]:
        print_autoencoder(
            f"{tree['path']}  {one['table']}, {one['model']}",
            one["nominal_ratio"],
            one["float32_ratio"],
            one["latents"],
            {c["column"]: c["error"] for c in tree["columns"] if c["column"] in one["columns"]},
        )
    columns = tree["columns"]
    if not all_columns:
        columns = sorted(columns, key=lambda column: -column["bytes"])[:_LARGEST]
    rest = len(tree["columns"]) - len(columns)
    rows = [
        (
            column["column"],
            column["dtype"],
            _promise(column),
            column["coder"],
            f"{column['bytes']:,}",
            f"{8 * column['bytes'] / column['rows']:.2f}" if column["rows"] else "-",
        )
        for column in columns
    ]
    if rest:
        rows.append((f"{rest:,} more: --columns", "", "", "", "", ""))
    print_table(f"{tree['path']}  columns", ("column", "type", "bound", "coder", "bytes", "bits a value"), rows)


def _promise(column: Mapping[str, Any]) -> str:
    """The bound; where the column's own grid is no finer, it is kept exactly all the same."""
    if column["error"] is not None:
        return f"measured {column['error']['largest']:.3g}"
    bound = str(column["bound"])
    return f"{bound}, kept exactly" if column["exact"] and bound != "exact" else bound


def _print_rest(info: Mapping[str, Any]) -> None:
    if info["objects"]:
        names = ", ".join(f"{item['path']} ({item['classname']})" for item in info["objects"][:_LARGEST])
        more = len(info["objects"]) - _LARGEST
        print_lines(
            [f"{plural(len(info['objects']), 'other object')}: {names}" + (f", {more} more" if more > 0 else "")]
        )
    writer = dict(info["writer"] or {})
    program = f"{writer.pop('name', 'an unknown program')} {writer.pop('version', '')}".strip()
    others = ", ".join(f"{name} {version}" for name, version in writer.items())
    print_lines([f"written by {program}{f' with {others}' if others else ''}; format {info['format_version']}"])
    settings = info["settings"] or {}
    steps = {name: n for name, n in (settings.get("train_steps") or {}).items() if n}
    if steps:
        trained = ", ".join(f"{name} {plural(n, 'step')}" for name, n in steps.items())
        print_lines([f"trained with seed {settings.get('seed')}: {trained}"])
    print_lines(f"note: {note}" for note in info["notes"])
    print_lines(f"left out: {item}" for item in info["left_out"])


def _share(size: int, total: int) -> str:
    return f"{100 * size / total:.1f} %" if total else "-"


def _times(ratio: float | None) -> str:
    return "unknown times" if ratio is None else f"{ratio_text(ratio, 1)} times"
