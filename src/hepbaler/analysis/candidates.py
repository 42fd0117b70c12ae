"""Top candidates: from the branches of some events to masses.

Three ways to see a top quark:

- ``genjet``: the mass of generator jets. High-momentum tops end up in one jet.
- ``boosted``: the soft-drop mass of large-radius jets.
- ``resolved``: two light jets and a b jet. Matched to the generated quarks where these are stored, else the pair of light
  jets nearest to the W mass with the b jet that gives the largest transverse momentum.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._optional import need
from ..errors import ColumnNotFound, InputError
from .settings import FitSettings

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("CHANNELS", "Candidates", "Channel", "Selection", "find_channel", "resolve_branches", "without_truth")

Arrays = Mapping[str, "ak.Array"]

W_MASS = 80.4  # GeV
W_WINDOW = 20.0  # GeV, two widths of the W peak in jets
MATCHING_RADIUS = 0.4  # in eta and phi, the radius of the jets
TOP, W_BOSON, B_QUARK = 6, 24, 5


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Selection:
    """Which jets are looked at.

    Attributes
    ----------
    min_pt, max_eta
        In GeV, and of the absolute pseudorapidity; None for no cut.
    min_btag
        Score from which a jet counts as a b jet.
    min_jets
        Jets that an event needs.
    """

    min_pt: float | None = None
    max_eta: float | None = None
    min_btag: float = 0.2783
    min_jets: int = 0


@dataclass(frozen=True, slots=True)
class Candidates:
    """Masses, and where each comes from.

    Attributes
    ----------
    event
        Number of the event, shape (n_candidates,).
    slot
        Which candidate of its event it is: the same jet, or the same top, in two versions of an event has the same slot.
    mass
        In GeV, shape (n_candidates,).
    """

    event: NDArray[np.int64]
    slot: NDArray[np.int64]
    mass: NDArray[np.float64]

    @classmethod
    def join(cls, parts: Sequence[Candidates]) -> Candidates:
        """Candidates of one range of events after the other."""
        if not parts:
            none = np.empty(0, np.int64)
            return cls(none, none, np.empty(0))
        return cls(
            np.concatenate([part.event for part in parts]),
            np.concatenate([part.slot for part in parts]),
            np.concatenate([part.mass for part in parts]),
        )


@dataclass(frozen=True)
class Channel:
    """A way to see the top quark.

    Attributes
    ----------
    name
        As on the command line.
    label
        Of a plot's axis.
    roles
        What is read: names of branches by role, the first that exists is taken.
    optional
        Roles that may be missing.
    selection
        Default cuts.
    fit
        Default window, bins and limits.
    find
        ``find(arrays, selection, first_event)``: candidates of a range of events; `arrays` by role.
    """

    name: str
    label: str
    roles: Mapping[str, tuple[str, ...]]
    optional: frozenset[str]
    selection: Selection
    fit: FitSettings
    find: Callable[[Arrays, Selection, int], Candidates]


def find_channel(name: str) -> Channel:
    """The channel of this name.

    Raises
    ------
    InputError
        There is none.
    """
    if name not in CHANNELS:
        msg = f"unknown channel {name!r}; choose one of {', '.join(CHANNELS)}"
        raise InputError(msg)
    return CHANNELS[name]


def resolve_branches(channel: Channel, available: Collection[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Which branch plays which role.

    Parameters
    ----------
    channel
        What is needed.
    available
        Names of branches.
    chosen
        What the user says, by role.

    Returns
    -------
    dict
        Branch by role; optional roles without a branch are left out.

    Raises
    ------
    InputError
        The channel has no such role.
    ColumnNotFound
        A branch does not exist.
    """
    unknown = [role for role in chosen if role not in channel.roles]
    if unknown:
        msg = f"channel {channel.name!r} reads no {unknown[0]!r}; it reads {', '.join(channel.roles)}"
        raise InputError(msg)
    found = {}
    for role, names in channel.roles.items():
        wanted = (chosen[role],) if role in chosen else names
        here = [name for name in wanted if name in available]
        if here:
            found[role] = here[0]
        elif role not in channel.optional or role in chosen:
            msg = f"channel {channel.name!r} needs a branch for {role!r}, and there is no {' or '.join(wanted)}; name it with --branch {role}=NAME"
            raise ColumnNotFound(msg)
    return found


def _jet_masses(arrays: Arrays, selection: Selection, first_event: int) -> Candidates:
    """Every jet that passes is a candidate."""
    import awkward as ak

    mass = arrays["mass"]
    counts = ak.to_numpy(ak.num(mass)).astype(np.int64)
    keep = _passing(arrays, selection, len(counts), int(counts.sum()))
    event = first_event + np.repeat(np.arange(len(counts)), counts)
    slot = ak.to_numpy(ak.flatten(ak.local_index(mass))).astype(np.int64)
    values = ak.to_numpy(ak.flatten(mass)).astype(np.float64)
    return Candidates(event[keep], slot[keep], values[keep])


def _passing(arrays: Arrays, selection: Selection, n_events: int, n_jets: int) -> NDArray[np.bool_]:
    import awkward as ak

    keep = np.ones(n_jets, bool)
    cuts = (("pt", selection.min_pt), ("eta", selection.max_eta))
    for role, limit in cuts:
        if limit is None:
            continue
        if role not in arrays:
            msg = f"there is a cut on {role!r} but no branch for it; name one with --branch {role}=NAME"
            raise ColumnNotFound(msg)
        values = ak.to_numpy(ak.flatten(arrays[role])).astype(np.float64)
        keep &= values > limit if role == "pt" else np.abs(values) < limit
    if selection.min_jets:
        counts = ak.to_numpy(ak.num(arrays["mass"]))
        event = np.repeat(np.arange(n_events), counts)
        keep &= (np.bincount(event[keep], minlength=n_events) >= selection.min_jets)[event]
    return keep


def _three_jets(arrays: Arrays, selection: Selection, first_event: int) -> Candidates:
    jets = _momenta(arrays, ("pt", "eta", "phi", "mass"), btag=arrays["btag"])
    keep = jets.pt > (selection.min_pt or 0.0)
    if selection.max_eta is not None:
        keep = keep & (abs(jets.eta) < selection.max_eta)
    jets = jets[keep]
    if "gen_pdg_id" in arrays:
        return _matched(jets, arrays, selection, first_event)
    return _nearest_to_w(jets, selection, first_event)


def _momenta(arrays: Arrays, roles: tuple[str, str, str, str], **more: Any) -> Any:
    """Four-momenta of vector's own kind, in float64."""
    import awkward as ak

    vector = need("vector", extra="analysis")
    names = ("pt", "eta", "phi", "mass")
    wide = {name: ak.values_astype(arrays[role], np.float64) for name, role in zip(names, roles, strict=True)}
    return vector.zip(wide | more)


def _matched(jets: Any, arrays: Arrays, selection: Selection, first_event: int) -> Candidates:
    """The three jets nearest to the quarks of each top that decays to quarks."""
    import awkward as ak

    quarks = _momenta(arrays, ("gen_pt", "gen_eta", "gen_phi", "gen_mass"), pdg_id=arrays["gen_pdg_id"])
    mother = arrays["gen_mother"]
    mother_id = ak.where(mother >= 0, quarks.pdg_id[ak.mask(mother, mother >= 0)], 0)
    mother_id = ak.fill_none(mother_id, 0)
    enough = ak.num(jets) >= max(selection.min_jets, 3)
    parts = []
    for slot, sign in enumerate((1, -1)):
        light = quarks[(abs(quarks.pdg_id) < B_QUARK) & (mother_id == sign * W_BOSON)]
        heavy = quarks[(quarks.pdg_id == sign * B_QUARK) & (mother_id == sign * TOP)]
        hadronic = np.asarray((ak.num(light) == 2) & (ak.num(heavy) >= 1) & enough)
        rows = np.flatnonzero(hadronic)
        three = ak.concatenate([light[rows], heavy[rows][:, :1]], axis=1)
        pairs = ak.cartesian({"quark": three, "jet": jets[rows]}, axis=1, nested=True)
        distance = pairs.quark.deltaR(pairs.jet)
        index = ak.argmin(distance, axis=2)
        near = np.asarray(ak.all(ak.min(distance, axis=2) < MATCHING_RADIUS, axis=1))
        chosen = np.asarray(ak.to_regular(ak.fill_none(index, -1))).reshape(-1, 3)
        distinct = (chosen[:, 0] != chosen[:, 1]) & (chosen[:, 0] != chosen[:, 2]) & (chosen[:, 1] != chosen[:, 2])
        good = np.flatnonzero(near & distinct)
        picked = jets[rows[good]][ak.from_regular(chosen[good])]
        top = picked[:, 0] + picked[:, 1] + picked[:, 2]
        parts.append(
            Candidates(first_event + rows[good], np.full(len(good), slot, np.int64), np.asarray(top.mass, np.float64))
        )
    return Candidates.join(parts)


def _nearest_to_w(jets: Any, selection: Selection, first_event: int) -> Candidates:
    """One candidate an event: the pair of light jets nearest to the W, and the b jet that makes the hardest top of it."""
    import awkward as ak

    tagged = jets.btag > selection.min_btag
    enough = (
        (ak.num(jets) >= max(selection.min_jets, 3)) & (ak.sum(tagged, axis=1) >= 1) & (ak.sum(~tagged, axis=1) >= 2)
    )
    rows = np.flatnonzero(np.asarray(enough))
    light, heavy = jets[~tagged][rows], jets[tagged][rows]
    pairs = ak.combinations(light, 2, fields=["one", "two"])
    w = pairs.one + pairs.two
    best = ak.argmin(abs(w.mass - W_MASS), axis=1, keepdims=True)
    w = w[best][:, 0]
    tops = heavy + w
    top = tops[ak.argmax(tops.pt, axis=1, keepdims=True)][:, 0]
    good = np.abs(np.asarray(w.mass) - W_MASS) < W_WINDOW
    rows = rows[good]
    return Candidates(first_event + rows, np.zeros(len(rows), np.int64), np.asarray(top.mass, np.float64)[good])


_JETS = {role: (f"Jet_{role}",) for role in ("pt", "eta", "phi", "mass")}
_QUARKS = {f"gen_{role}": (f"GenPart_{role}",) for role in ("pt", "eta", "phi", "mass")}

_GENJET = Channel(
    "genjet",
    "generator jet mass [GeV]",
    {
        "mass": ("GenJet_mass", "GenJet_p4_fM"),
        "pt": ("GenJet_pt", "GenJet_p4_fPt"),
        "eta": ("GenJet_eta", "GenJet_p4_fEta"),
    },
    frozenset({"pt", "eta"}),
    Selection(),
    FitSettings(low=100.0, high=225.0, n_bins=199, width=(5.0, 0.5, 40.0)),
    _jet_masses,
)
_BOOSTED = Channel(
    "boosted",
    "soft-drop jet mass [GeV]",
    {"mass": ("FatJet_msoftdrop",), "pt": ("FatJet_pt",), "eta": ("FatJet_eta",)},
    frozenset({"pt", "eta"}),
    Selection(min_pt=400.0, max_eta=2.4),
    FitSettings(low=120.0, high=220.0, n_bins=50, width=(12.0, 2.0, 40.0)),
    _jet_masses,
)
_RESOLVED = Channel(
    "resolved",
    "three-jet mass [GeV]",
    {
        **_JETS,
        "btag": ("Jet_btagDeepFlavB", "Jet_btagPNetB", "Jet_btagUParTAK4B", "Jet_btagDeepB"),
        **_QUARKS,
        "gen_pdg_id": ("GenPart_pdgId",),
        "gen_mother": ("GenPart_genPartIdxMother",),
    },
    frozenset({*_QUARKS, "gen_pdg_id", "gen_mother"}),
    Selection(min_pt=25.0, max_eta=2.5, min_jets=4),
    FitSettings(low=120.0, high=260.0, n_bins=56, width=(15.0, 3.0, 40.0)),
    _three_jets,
)

CHANNELS = {channel.name: channel for channel in (_GENJET, _BOOSTED, _RESOLVED)}


def without_truth(channel: Channel) -> Channel:
    """The channel as it can be seen in data, without looking at generated particles."""
    return replace(channel, roles={role: names for role, names in channel.roles.items() if not role.startswith("gen_")})
