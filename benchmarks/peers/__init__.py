"""The coders that are compared. Each turns a workload into files in a folder, and those back into the float columns.

`PEERS` has all of them in the order of the tables, whether installed or not; `Peer.missing` says what a peer lacks.
"""

from __future__ import annotations

from .archives import ARCHIVES
from .arrays import ARRAYS
from .baler import BALER
from .base import Folder, Made, Peer
from .rootfiles import ROOT_FILES
from .rootlossy import LOSSY_NTUPLES

__all__ = ("PEERS", "Folder", "Made", "Peer")

PEERS: dict[str, Peer] = {peer.name: peer for peer in (*ARCHIVES, *ARRAYS, *ROOT_FILES, *LOSSY_NTUPLES, *BALER)}
