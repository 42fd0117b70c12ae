from __future__ import annotations

import io

import awkward as ak
import numpy as np
import uproot

from hepbaler.restoring.streaming import describe_tree

TEXT = ak.types.ListType(
    ak.types.NumpyType("uint8", parameters={"__array__": "char"}), parameters={"__array__": "string"}
)
JETS = ak.types.ListType(
    ak.types.RecordType([ak.types.NumpyType("float32"), ak.types.NumpyType("uint16")], ["pt", "hits"])
)
TYPES = {
    "flag": np.dtype(bool),
    **{f"i{n}": np.dtype(f"int{n}") for n in (8, 16, 32, 64)},
    **{f"u{n}": np.dtype(f"uint{n}") for n in (8, 16, 32, 64)},
    "f": np.dtype("float32"),
    "matrix": np.dtype(("float64", (2, 3))),
    "text": TEXT,
    "Jet": JETS,
    "a_name_longer_than_a_byte_can_tell_" + "x" * 255: np.dtype("float32"),
}


def test_same_bytes_and_places_as_uproot():
    with uproot.recreate(io.BytesIO(), compression=None) as file:
        tree = file.mktree("Events", TYPES, title="title " * 60)._cascading
        expected = b"".join(tree._build_out())

        def places():
            names = ("metadata_start", "basket_metadata_start", "tleaf_reference_number")
            own = [[datum[name] for name in names] for datum in tree._branch_data if datum["kind"] != "record"]
            return tree._metadata_start, own

        of_uproot = places()
        assert describe_tree(tree) == expected
        assert places() == of_uproot
