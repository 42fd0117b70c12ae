"""`compress`: the one place where the steps meet."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .archive import ARCHIVE_KIND
from .autoencoding import check_weights, checked_family
from .bounds import Plan
from .clock import PhaseClock
from .coding.plain import encode_bytes
from .container import ContainerWriter, check_target
from .errors import InputError, ModelError, OutputError, UnreadableBranches
from .latent.settings import LatentSettings
from .modelfile import TrainedTable, load_models
from .presets import Training
from .provenance import file_fingerprint, settings_digest
from .reading import Source, SourceTree, open_source, split_input
from .reports import CompressReport
from .required import features_of
from .treejob import Progress, Totals, TreeJob
from .version import __version__

__all__ = (
    "CLUSTER_BYTES",
    "Progress",
    "View",
    "archive_name",
    "cannot_carry",
    "compress",
    "select_trees",
    "writer_info",
)

# From the opened file and the trees to carry to what is carried in their place, and what the archive says of that: entries of
# its settings, and notes.
View = Callable[[Source, Sequence[SourceTree]], tuple[list[SourceTree], Mapping[str, Any], list[str]]]

# One cluster as plain arrays: large enough for the coders, small enough to read for a look at a few entries, and to be held several
# times over.
CLUSTER_BYTES = 24_000_000


def __dir__() -> tuple[str, ...]:
    return __all__


def compress(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    plan: Plan | None = None,
    latent: LatentSettings | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    model: str | os.PathLike[str] | None = None,
    use_model: bool = True,
    preset: str = "default",
    train_steps: int | None = None,
    train_time: float | None = None,
    device: str = "auto",
    seed: int = 0,
    skip_unreadable: bool = False,
    fall_back: bool = False,
    force: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
    view: View | None = None,
) -> CompressReport:
    """Compress a ROOT file.

    Parameters
    ----------
    source
        A ROOT file, one of its trees (``"events.root:Events"``), or a URL.
    target
        The archive to write; by default the source's name with ``.hbal`` behind it, in the working directory for a URL
        and beside the source otherwise.
    plan
        Bounds; by default ``bits=10`` for floats. Everything else is exact.
    latent
        Latent mode: floats become latents of an autoencoder, and their errors are measured instead of bounded. Columns that
        a rule of `plan` names, and tables too small for an autoencoder, keep their bounds.
    keep, drop
        Globs on branch names. All branches are kept by default.
    model
        A file that `train` made.
    use_model
        False to code plainly.
    preset
        ``"fast"``, ``"default"`` or ``"small"``: less time to train and to read, or fewer bytes.
    train_steps, train_time
        Steps of training a model may take, or the seconds from which their number is derived before training starts.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    seed
        The same seed and steps on the same machine give the same bytes.
    skip_unreadable
        Leave out what cannot be carried instead of raising.
    fall_back
        Where `model` does not fit a tree, train a new one, and say so in the notes, instead of raising.
    force
        Overwrite `target`.
    jobs
        Threads; as many as there are cores by default.
    progress
        Called as ``(phase, done, total)`` with phases ``scan``, ``train``, ``write``.
    view
        Carry something else in place of the trees: `hepbaler.skim` gives those of their entries that pass a cut.

    Returns
    -------
    CompressReport
        Sizes, times, and what was left out.

    Raises
    ------
    InputError
        If there is nothing to compress, or it cannot be read.
    UnreadableBranches
        If something cannot be carried and `skip_unreadable` is not set.
    OutputError
        If the target exists, or cannot be written. No half-written file is left.

    Examples
    --------
    >>> hepbaler.compress("events.root", plan=Plan(default=Bound.parse("bits=8")))  # doctest: +SKIP
    """
    plan = plan or Plan()
    if latent is not None and model is not None:
        msg = f"a trained model ({os.fspath(model)}) is for bounded mode; latent mode trains its own"
        raise InputError(msg)
    if latent is not None:
        checked_family(latent)
    # Everything that decides what is written, so that whoever asks for the same again can tell.
    asked: dict[str, Any] = {
        "plan": plan,
        "latent": latent,
        "keep": tuple(keep),
        "drop": tuple(drop),
        "model": model,
        "use_model": use_model,
        "preset": preset,
        "train_steps": train_steps,
        "train_time": train_time,
        "seed": seed,
    }
    out = Path(target) if target is not None else archive_name(str(source))
    refuse_input_as_output(str(source), out)
    check_target(out, overwrite=force)
    clock = PhaseClock()
    tell = progress or (lambda *_: None)
    training = Training(train_steps, train_time, device, seed, jobs, preset=preset)
    with open_source(str(source), need_trees=False) as opened:
        trees, left_out = select_trees(opened, keep, drop, plan, need_entries=False)
        objects, objects_left = opened.copy_objects()
        left_out += [f"{left.name} ({left.classname}): {left.reason}" for left in objects_left]
        if left_out and not skip_unreadable:
            raise UnreadableBranches(cannot_carry(str(source), left_out))
        trees, seen, told = view(opened, trees) if view is not None else (trees, {}, [])
        asked |= seen
        if latent is not None:
            check_weights(latent, [branch.name for tree in trees for branch in tree.branches])
        given, unfit = _models_for(trees, model, fall_back=fall_back) if model is not None else ((), [])
        jobs = jobs or os.cpu_count() or 1
        with (
            ContainerWriter(out, overwrite=force) as writer,
            ThreadPoolExecutor(jobs) as executor,
        ):
            total = Totals(notes=[*told, *unfit])
            headers = []
            sizes = [tree.uncompressed_bytes for tree in trees]
            for number, tree in enumerate(trees):
                share = sizes[number] / max(sum(sizes), 1)
                mine = replace(training, share=share) if len(trees) > 1 else training
                job = TreeJob(
                    tree, number, plan, latent, mine, use_model, given, fall_back, executor, clock, tell, CLUSTER_BYTES
                )
                headers.append(job.run(writer, total))
            if objects:
                writer.add_section("objects", encode_bytes(objects))
            meta = {
                "kind": ARCHIVE_KIND,
                "required_features": features_of(headers),
                "source": {
                    "name": Path(opened.path).name,
                    "bytes": opened.size,
                    "uuid": opened.uuid,
                    "fingerprint": file_fingerprint(opened.path),
                },
                "writer": writer_info(),
                "settings": {
                    "digest": settings_digest(asked, split_input(str(source))[1]),
                    "plan": plan.to_dict(),
                    "latent": latent.to_dict() if latent is not None else None,
                    "seed": seed,
                    "preset": preset,
                    "train_steps": total.steps,
                    "train_time": train_time,
                    "keep": list(keep),
                    "drop": list(drop),
                    **seen,
                },
                "trees": [header.to_dict() for header in headers],
                "objects": [
                    {"path": o.path, "classname": o.classname, "cycle": o.cycle, "title": o.title}
                    for o in opened.objects
                ],
                "notes": [*opened.notes, *total.notes],
                "left_out": left_out,
            }
            with clock("write"):
                writer.finish(meta)
            parts = writer.bytes_by_part()
        return CompressReport(
            source=str(source),
            target=str(out),
            source_bytes=opened.size,
            raw_bytes=sum(table.raw_bytes for table in total.tables),
            archive_bytes=out.stat().st_size,
            trees=len(trees),
            branches=sum(len(tree.branches) for tree in trees),
            entries=sum(tree.num_entries for tree in trees),
            values=total.values,
            exceptions=total.exceptions,
            tables=tuple(total.tables),
            bytes_by_part=dict(parts),
            seconds=clock.seconds,
            train_steps=total.steps,
            notes=(*opened.notes, *total.notes),
            left_out=tuple(left_out),
            autoencoders=tuple(total.autoencoders),
        )


def _models_for(
    trees: Sequence[SourceTree], model: str | os.PathLike[str], *, fall_back: bool
) -> tuple[tuple[TrainedTable, ...], list[str]]:
    """Models for the trees, and what has to be said of the others."""
    models = load_models(model)
    held = {tree.path for tree in trees}
    strange = [one.tree for one in models if one.tree not in held]
    if not strange:
        return models, []
    msg = f"{model} was trained on tree {strange[0]!r}, and the file holds {', '.join(map(repr, held))}"
    if not fall_back:
        raise ModelError(msg)
    return tuple(one for one in models if one.tree in held), [msg]


def archive_name(source: str) -> Path:
    """Where the archive of `source` goes by default: ``events.root.hbal``."""
    path = source.rpartition(":")[0] if ".root:" in source and not source.endswith(".root") else source
    if "://" in path:
        return Path(path.rstrip("/").rpartition("/")[2] + ".hbal")
    return Path(path + ".hbal")


def writer_info() -> dict[str, str]:
    """Versions of what writes; never needed to read."""
    return {"name": "hepbaler", "version": __version__, "python": platform.python_version(), "numpy": np.__version__}


def select_trees(
    source: Source, keep: Sequence[str], drop: Sequence[str], plan: Plan, *, need_entries: bool = True
) -> tuple[list[SourceTree], list[str]]:
    """Trees to carry with the branches asked for, and what of them cannot be read.

    Raises
    ------
    InputError
        If nothing is left (trees without entries are something unless `need_entries`, and so are other objects alone), or a
        pattern of `keep` or of the plan matches no branch.
    """
    unused = plan.unused([(tree.path, branch.name) for tree in source.trees for branch in tree.branches])
    if unused:
        msg = f"no branch of {source.path} matches the bound for {unused[0]!r}"
        raise InputError(msg)
    trees = list(source.select(keep, drop) if keep or drop else source.trees)
    left_out = [
        f"{tree.path}:{item.name} ({item.typename}): {item.reason}" for tree in trees for item in tree.unreadable
    ]
    if (keep or drop) and not any(tree.branches for tree in trees):
        msg = f"--keep and --drop leave no branch of {source.path}"
        raise InputError(msg)
    if not source.trees and not need_entries:
        return [], []
    if not any(tree.branches and (tree.num_entries or not need_entries) for tree in trees):
        why = {tree.path: "no entries" if tree.branches else "no branches that can be read" for tree in trees}
        told = ", ".join(f"tree {path!r} has {reason}" for path, reason in why.items())
        msg = f"{source.path} holds nothing to compress: {told}"
        raise InputError(msg)
    return trees, left_out


def refuse_input_as_output(source: str, target: Path) -> None:
    """Raise `OutputError` if `target` is the very file that shall be read."""
    here = Path(archive_name(source).as_posix().removesuffix(".hbal"))
    if target.exists() and here.exists() and target.samefile(here):
        msg = f"the output {target} is the input itself; choose another name with -o"
        raise OutputError(msg)


def cannot_carry(source: str, left_out: Sequence[str]) -> str:
    """The message that names what cannot be carried."""
    shown = "\n  ".join(left_out[:20])
    more = f"\n  and {len(left_out) - 20} more" if len(left_out) > 20 else ""
    return f"{source}: {len(left_out)} branches or objects cannot be carried; --skip-unreadable leaves them out:\n  {shown}{more}"
