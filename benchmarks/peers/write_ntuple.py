"""Writes an RNTuple with lossy columns; run by a Python that has ROOT: ``python write_ntuple.py FOLDER``.

The folder has ``task.json`` and the arrays that it names. A C++ function is made for the tree's types; a row of a
collection is a struct, as in an experiment's own writer. Prints the seconds that writing took.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

_ZSTD_5 = 505
_CPP = {"float32": "float", "float64": "double", "bool": "bool"} | {
    f"{sign}int{bits}": f"std::{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)
}


def lossy(field: dict[str, Any], pointer: str) -> str:
    """The statement that makes a field lossy; none for a field that is not."""
    cast = f"dynamic_cast<ROOT::RField<float> &>(*{pointer})"
    if "truncated" in field:
        return f"{cast}.SetTruncated({field['truncated']});"
    if "quantised" in field:
        bits, low, high = field["quantised"]
        return f"{cast}.SetQuantized({low!r}, {high!r}, {bits});"
    return ""


def code(task: dict[str, Any]) -> str:
    """C++ that writes the tree; ``columns`` are the addresses of the arrays, in the order in which they are met."""
    structs, fields, rows = [], [], []
    number = 0
    for i, field in enumerate(task["flat"]):
        cpp, size = _CPP[field["dtype"]], field["size"]
        kind = f"std::array<{cpp}, {size}>" if size else cpp
        inner = f"x{i}->GetMutableSubfields()[0]" if size else f"x{i}.get()"
        fields.append(
            f'auto x{i} = std::make_unique<ROOT::RField<{kind}>>("{field["name"]}"); {lossy(field, inner)} '
            f"model->AddField(std::move(x{i}));"
        )
        name = f'entry.GetPtr<{kind}>("{field["name"]}")'
        source = f"reinterpret_cast<const {cpp} *>(columns[{number}])"
        fields.append(f"auto c{i} = {source};")
        copy = f"std::copy_n(c{i} + e * {size}, {size}, p{i}->begin());" if size else f"*p{i} = c{i}[e];"
        rows.append((f"auto p{i} = {name};", copy))
        number += 1
    for i, one in enumerate(task["lists"]):
        members = " ".join(f"{_CPP[field['dtype']]} f{j};" for j, field in enumerate(one["fields"]))
        structs.append(f"struct Row{i} {{ {members} }};")
        fields.append(f'auto l{i} = std::make_unique<ROOT::RField<std::vector<Row{i}>>>("{one["name"]}");')
        fields.append(f"auto m{i} = l{i}->GetMutableSubfields()[0]->GetMutableSubfields();")
        fields += [lossy(field, f"m{i}[{j}]") for j, field in enumerate(one["fields"])]
        fields.append(f"model->AddField(std::move(l{i}));")
        fields.append(f"auto n{i} = reinterpret_cast<const std::int64_t *>(columns[{number}]); std::int64_t o{i} = 0;")
        number += 1
        copies = []
        for j, field in enumerate(one["fields"]):
            fields.append(f"auto d{i}_{j} = reinterpret_cast<const {_CPP[field['dtype']]} *>(columns[{number}]);")
            copies.append(f"(*q{i})[k].f{j} = d{i}_{j}[o{i} + k];")
            number += 1
        loop = f"q{i}->resize(n{i}[e]); for (std::int64_t k = 0; k < n{i}[e]; ++k) {{ {' '.join(copies)} }} o{i} += n{i}[e];"
        rows.append((f'auto q{i} = entry.GetPtr<std::vector<Row{i}>>("{one["name"]}");', loop))
    return "\n".join(
        [
            "#include <ROOT/RNTupleModel.hxx>",
            "#include <ROOT/RNTupleWriter.hxx>",
            "#include <ROOT/RNTupleWriteOptions.hxx>",
            "#include <ROOT/RField.hxx>",
            *structs,
            "void write_tree(const char *path, const char *name, long long entries, unsigned long *columns) {",
            "auto model = ROOT::RNTupleModel::Create();",
            *fields,
            f"ROOT::RNTupleWriteOptions options; options.SetCompression({_ZSTD_5});",
            "auto writer = ROOT::RNTupleWriter::Recreate(std::move(model), name, path, options);",
            "auto &entry = writer->GetModel().GetDefaultEntry();",
            *(pointer for pointer, _ in rows),
            "for (long long e = 0; e < entries; ++e) {",
            *(statement for _, statement in rows),
            "writer->Fill(); } }",
        ]
    )


def main(folder: Path) -> None:
    """Write the tree that a folder describes."""
    import ROOT

    task = json.loads((folder / "task.json").read_text())
    files = [field["file"] for field in task["flat"]]
    for one in task["lists"]:
        files += [one["counts"], *(field["file"] for field in one["fields"])]
    arrays = [np.load(folder / file) for file in files]
    if not ROOT.gInterpreter.Declare(code(task)):
        sys.exit("the C++ that writes the tree does not compile")
    columns = np.array([array.ctypes.data for array in arrays], np.uint64)
    # The first call compiles.
    write = ROOT.write_tree
    write(task["path"] + ".compile", task["tree"], 0, columns)
    Path(task["path"] + ".compile").unlink()
    start = time.perf_counter()
    write(task["path"], task["tree"], task["entries"], columns)
    sys.stdout.write(f"{time.perf_counter() - start}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
