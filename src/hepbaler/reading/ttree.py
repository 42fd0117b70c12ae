"""TTrees, through uproot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import awkward as ak
import uproot

from hepbaler.reading.elements import counting_group, element_of, groups_of
from hepbaler.reading.failures import attempt, reading_errors, reason_of
from hepbaler.reading.tree import SourceTree, Unreadable, branches_of
from hepbaler.table import Branch, Group

__all__ = ("TTreeReader", "open_ttree")

# Entries that are read to see whether a branch can be read, and of which type it is. Whole baskets are decompressed anyway.
PROBED_ENTRIES = 100


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class TTreeReader:
    """Reads ranges of a TTree.

    Attributes
    ----------
    tree, path
        uproot's TTree, and file and tree for messages.
    members
        uproot's TBranch of each branch, by full path.
    alone
        Branches that `uproot.TTree.arrays` would take for another one: they are read by themselves.
    measured_bytes
        Bytes an entry in memory, of each branch, in the first entries.
    executor
        Decompresses baskets in threads.
    """

    tree: Any
    path: str
    members: Mapping[str, Any]
    alone: frozenset[str]
    executor: Any
    measured_bytes: dict[str, float] = field(default_factory=dict)

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Read entries of branches, in one call where possible so that a remote file is asked once."""
        together = [name for name in names if name not in self.alone]
        got = attempt(lambda: self.read_together(together, start, stop)) if together else {}
        # a single bad branch spoils the call, and uproot does not always say which: they are asked one by one then
        arrays = {} if isinstance(got, Exception) else got
        for name in names:
            if name not in arrays:
                with reading_errors(
                    f"branch {name!r} of {self.path} cannot be read between entries {start} and {stop}"
                ):
                    arrays[name] = self.read_alone(name, start, stop)
        return arrays

    def read_together(self, names: Sequence[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Read entries of branches of which none is `alone`; raises whatever uproot raises."""
        got: dict[str, ak.Array] = self.tree.arrays(
            {name: self.members[name].interpretation for name in names},
            entry_start=start,
            entry_stop=stop,
            array_cache=None,
            decompression_executor=self.executor,
            library="ak",
            how=dict,
        )
        return got

    def read_alone(self, name: str, start: int, stop: int) -> ak.Array:
        """Read entries of one branch; raises whatever uproot raises."""
        return self.members[name].array(
            entry_start=start, entry_stop=stop, array_cache=None, decompression_executor=self.executor, library="ak"
        )

    def borders(self, names: Sequence[str]) -> list[int]:
        """Return the entries at which baskets of all branches begin."""
        common: set[int] | None = None
        for name in names:
            with reading_errors(f"branch {name!r} of {self.path}"):
                offsets = self.members[name].entry_offsets
            # fewer than two baskets constrain nothing: such a branch is small
            if len(offsets) > 2:
                common = set(offsets) if common is None else common.intersection(offsets)
        return sorted(common or ())

    def uncompressed_bytes(self, names: Sequence[str]) -> int:
        """Return the larger of what the tree says (which is 0 in some files) and what its first entries take in memory."""
        told = sum(int(self.members[name].uncompressed_bytes) for name in names)
        measured = sum(self.measured_bytes.get(name, 0.0) for name in names) * self.tree.num_entries
        return max(told, int(measured))


def open_ttree(tree: Any, path: str, cycle: int, file: str, executor: Any) -> SourceTree:
    """Find the branches of a TTree and what they hold.

    Parameters
    ----------
    tree
        ``uproot.TTree``.
    path, cycle
        Where it is in the file.
    file
        Path of the file, for messages.
    executor
        Decompresses baskets.
    """
    where = f"tree {path!r} in {file}"
    with reading_errors(where):
        found = list(tree.iteritems(recursive=True, full_paths=True))
        num_entries = int(tree.num_entries)
    members: dict[str, Any] = {}
    unreadable: list[Unreadable] = []
    for name, branch in found:
        reason = _refusal(branch, num_entries, is_known=name in members)
        if reason is None:
            members[name] = branch
        elif reason:
            unreadable.append(Unreadable(name, _typename(branch), reason))
    reader = TTreeReader(tree, where, members, _ambiguous(tree, found), executor)
    arrays, failed = _probe(reader, list(members), 0, min(num_entries, PROBED_ENTRIES))
    unreadable += failed
    if num_entries > PROBED_ENTRIES:
        # some branches can be read in their first basket only
        last, failed = _probe(reader, list(arrays), num_entries - 1, num_entries)
        unreadable += failed
        arrays = {name: arrays[name] for name in last}
    path_of = {id(branch): name for name, branch in found}
    facts = {
        name: (_typename(members[name]), str(members[name].title), _counter(members[name], path_of)) for name in arrays
    }
    branches, odd = branches_of(arrays, facts, [name for name, _ in found])
    for name, array in arrays.items():
        reader.measured_bytes[name] = array.nbytes / max(len(array), 1)
    order = {name: index for index, (name, _) in enumerate(found)}
    inside = groups_of(found)
    branches = [_with_class(branch, members[branch.name], inside[branch.name]) for branch in branches]
    return SourceTree(
        path=path,
        cycle=cycle,
        title=str(tree.title),
        kind="TTree",
        num_entries=num_entries,
        branches=tuple(branches),
        unreadable=tuple(sorted(unreadable + odd, key=lambda branch: order[branch.name])),
        file=file,
        reader=reader,
    )


def _with_class(branch: Branch, member: Any, group: Group | None) -> Branch:
    element = element_of(member)
    counter = counting_group(element, group) or branch.count_branch
    return replace(branch, count_branch=counter, element=element, group=group)


def _refusal(branch: Any, num_entries: int, *, is_known: bool) -> str | None:
    """Say why a branch cannot be read: an empty reason where there is nothing in it to read, `None` where it may be readable."""
    interpretation = attempt(lambda: branch.interpretation)
    if isinstance(interpretation, uproot.interpretation.grouped.AsGrouped):
        return ""
    if isinstance(interpretation, Exception):
        # the parent of a split object has no data of its own
        return "" if len(branch.branches) and not branch.num_baskets else reason_of(interpretation)
    if interpretation is None:
        return "uproot knows no interpretation for it"
    if is_known:
        return "another branch of the tree has the same name"
    if _is_truncated_matrix(interpretation):
        return "uproot fills lists of Float16_t or Double32_t arrays in part only; the rest changes from reading to reading"
    n_own = attempt(lambda: branch.num_entries)
    if n_own != num_entries:
        return f"it has {n_own} entries, and the tree has {num_entries}"
    return None


def _is_truncated_matrix(interpretation: Any) -> bool:
    content = getattr(interpretation, "content", None)
    return isinstance(content, uproot.interpretation.numerical.TruncatedNumerical) and bool(content.to_dims)


def _typename(branch: Any) -> str:
    typename = attempt(lambda: str(branch.typename))
    if isinstance(typename, Exception) or typename == "unknown":
        typename = attempt(lambda: str(branch.streamer.typename if branch.streamer is not None else branch.classname))
    return "unknown" if isinstance(typename, Exception) else typename


def _counter(branch: Any, path_of: Mapping[int, str]) -> str | None:
    counter = attempt(lambda: branch.count_branch)
    return None if isinstance(counter, Exception) or counter is None else path_of.get(id(counter))


def _ambiguous(tree: Any, found: Sequence[tuple[str, Any]]) -> frozenset[str]:
    """Find full paths that are the last name of another branch too, or of an alias: uproot keeps one array for both."""
    last_names = Counter(branch.name for _, branch in found)
    aliases = attempt(lambda: set(tree.aliases))
    taken = set() if isinstance(aliases, Exception) else aliases
    if taken.intersection(last_names):
        # an alias of a branch's name makes uproot warn at every call
        return frozenset(name for name, _ in found)
    return frozenset(name for name, branch in found if last_names[name] > (branch.name == name))


def _probe(
    reader: TTreeReader, names: Sequence[str], start: int, stop: int
) -> tuple[dict[str, ak.Array], list[Unreadable]]:
    """Read a few entries of all branches, and find those with which that fails."""
    # numbers and lists of them hardly ever fail, objects do: one call for the many, one each for the rest
    plain = [name for name in names if name not in reader.alone and not _is_object(reader.members[name])]
    together = attempt(lambda: reader.read_together(plain, start, stop)) if plain else {}
    got = {} if isinstance(together, Exception) else together
    arrays: dict[str, ak.Array] = {}
    failed: list[Unreadable] = []
    for name in names:
        array = got[name] if name in got else attempt(lambda name=name: reader.read_alone(name, start, stop))  # type: ignore[misc]
        if isinstance(array, Exception):
            failed.append(Unreadable(name, _typename(reader.members[name]), reason_of(array)))
        else:
            arrays[name] = array
    return arrays, failed


def _is_object(branch: Any) -> bool:
    return isinstance(branch.interpretation, uproot.interpretation.objects.AsObjects)
