"""How uproot takes the objects of a branch apart -> how to put such bytes together from an array.

What is asked for is uproot's own interpretation of the branch in the file that is being written, so what it says is what
it will do with the bytes. Where the interpretation and the array's layout do not go together, there is a reason instead.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import uproot
from uproot.interpretation.identify import interpretation_of, parse_typename

from hepbaler.restoring.bytestreams import Constant, Fixed, Items, Members, Numbers, Pairs, Text
from hepbaler.table import ListLayout, RecordLayout, RegularLayout, Values

if TYPE_CHECKING:
    from hepbaler.restoring.bytestreams import Stream
    from hepbaler.table import Layout

__all__ = ("ODD_ANSWERS", "CannotStream", "Style", "stream_of")

# How objects of classes begin: with a version; with a checksum where a class has no version of its own, or its first;
# or with nothing. ROOT does all three, and only a trial tells which of them uproot expects of a branch.
Style = Literal["version", "checksum", "nothing"]

# Of std::vector and its kin, in ROOT 6.
_CONTAINER_VERSION = 9
_STRING_VERSION = 2
# An object of a class without a number has the class's checksum in its header.
_NO_VERSION = 0
# version, fUniqueID, and fBits of an object on the heap that was not deleted: uproot shows none of it in an array
_TOBJECT = struct.pack(">HII", 1, 0, 0x03000000)
_TOBJECT_CLASS = "TObject"
# References are written as no description says: the number stands for fUniqueID, and which process made it is told by 0.
_REFERENCES: dict[str, Members] = {
    "TRef": Members(
        ((None, Constant(_TOBJECT[:2])), ("ref", Numbers("uint32")), (None, Constant(_TOBJECT[6:] + bytes(2))))
    ),
    "TRefArray": Members(
        (
            (None, Constant(_TOBJECT)),
            ("fName", Text()),
            ("fSize", Numbers("int32")),
            (None, Constant(bytes(6))),
            ("refs", Items(Numbers("int32"), counted=False, counter="fSize")),
        ),
        1,
    ),
}


def __dir__() -> tuple[str, ...]:
    return __all__


class CannotStream(Exception):
    """There is no way to write such a branch, for the reason in the message."""


def stream_of(branch: Any, layout: Layout, style: Style = "version") -> Stream:
    """How the entries of a branch are written.

    Parameters
    ----------
    branch
        uproot's ``TBranch`` in the file that is being written.
    layout
        Of the arrays to be written.
    style
        How objects of classes begin.

    Raises
    ------
    CannotStream
        If uproot finds no interpretation, or one that is not of this layout.
    """
    try:
        interpretation = interpretation_of(branch, {}, simplify=False)
        return _Maker(branch.file, style).of_interpretation(interpretation, layout)
    except ODD_ANSWERS as error:
        lines = str(error).split("\n")
        raise CannotStream(lines[0] or type(error).__name__) from error


# What uproot raises for type names and streamers that it does not understand.
ODD_ANSWERS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    uproot.DeserializationError,
    uproot.interpretation.identify.NotNumerical,
    uproot.interpretation.identify.UnknownInterpretation,
)


@dataclass(frozen=True)
class _Maker:
    """Makes streams of what uproot knows.

    Attributes
    ----------
    file
        Where the classes are described.
    style
        How objects of classes begin.
    """

    file: Any
    style: Style

    def of_interpretation(self, interpretation: Any, layout: Layout) -> Stream:
        if isinstance(interpretation, uproot.interpretation.strings.AsStrings):
            return _text(layout, Text())
        if isinstance(interpretation, uproot.interpretation.jagged.AsJagged) and isinstance(layout, ListLayout):
            dtype = interpretation.content.from_dtype
            return Items(_numbers(dtype, layout.content), None, counted=False, flagged=interpretation.header_bytes == 1)
        if isinstance(interpretation, uproot.interpretation.objects.AsObjects):
            return self._of_model(interpretation.model, layout)
        msg = f"uproot would read it as {interpretation!r:.80}"
        raise CannotStream(msg)

    def _of_model(self, model: Any, layout: Layout, *, header: bool = True) -> Stream:
        """Stream of a model of uproot: a numpy dtype, a container, or a class."""
        containers = uproot.containers
        if isinstance(model, np.dtype):
            return _numbers(model, layout)
        if isinstance(model, containers.AsString):
            version = _STRING_VERSION if model.header and header else None
            return _text(layout, Text(version, model.length_bytes == "4"))
        if isinstance(model, containers.AsVectorLike) and isinstance(layout, ListLayout) and layout.text is None:
            inner = self._of_model(model._items, layout.content)
            return Items(inner, _CONTAINER_VERSION if model.header and header else None)
        if isinstance(model, containers.AsMap) and model.header:
            return self._map(model, layout)
        if isinstance(model, containers.AsArray) and isinstance(layout, ListLayout) and layout.text is None:
            return self._array(model, layout)
        if isinstance(model, type) and issubclass(model, uproot.model.Model | uproot.model.DispatchByVersion):
            name = uproot.model.classname_decode(model.__name__)[0]
            has_header = getattr(model, "_header", True) is not False
            return self._class(name, layout, header=has_header)
        msg = f"{model!r:.80} cannot be made of an array"
        raise CannotStream(msg)

    def _map(self, model: Any, layout: Layout) -> Stream:
        match layout:
            case ListLayout(content=RecordLayout(fields=((_, key), (_, value)), array="sorted_map")):
                pass
            case _:
                msg = "a map is not what the archive holds"
                raise CannotStream(msg)
        one, other = (
            _CONTAINER_VERSION if isinstance(part, uproot.containers.AsContainer) and part.header else None
            for part in (model.keys, model.values)
        )
        keys = self._of_model(model.keys, key, header=False)
        values = self._of_model(model.values, value, header=False)
        return Pairs(keys, values, _CONTAINER_VERSION, struct.pack(">HI", _NO_VERSION, 0), one, other)

    def _array(self, model: Any, layout: ListLayout) -> Stream:
        """An array that goes on to the end of the entry."""
        content = layout.content
        shape = model.inner_shape
        for size in shape:
            if not isinstance(content, RegularLayout) or content.size != size:
                msg = f"an array of {size} elements is not what the archive holds"
                raise CannotStream(msg)
            content = content.content
        if model.header and isinstance(model.values, np.dtype):
            msg = "uproot reads numbers behind such a header in no certain way"
            raise CannotStream(msg)
        inner = self._of_model(model.values, content)
        for size in reversed(shape):
            inner = Fixed(size, inner)
        return Items(inner, _CONTAINER_VERSION if model.header else None, counted=False, flagged=model.speedbump)

    def _class(self, name: str, layout: Layout, *, header: bool) -> Stream:
        if name == "TString":
            return _text(layout, Text())
        if not isinstance(layout, RecordLayout):
            msg = f"an object of class {name} is not what the archive holds"
            raise CannotStream(msg)
        fields = dict(layout.fields)
        if name in _REFERENCES and fields.keys() == _names(list(_REFERENCES[name].members)):
            return _REFERENCES[name]
        streamer = self.file.streamer_named(name, "max")
        if streamer is None:
            msg = f"the file that was compressed does not describe class {name}"
            raise CannotStream(msg)
        members = [self._member(element, fields, layout) for element in streamer.elements]
        left = [field for field in fields if field not in _names(members)]
        if left:
            msg = f"class {name} has no member {left[0]!r}"
            raise CannotStream(msg)
        return self._object(tuple(members), streamer, header=header)

    def _object(self, members: tuple[tuple[str | None, Stream], ...], streamer: Any, *, header: bool) -> Members:
        """An object of a class, with what it begins with."""
        version = int(streamer.class_version)
        if not header or self.style == "nothing":
            return Members(members)
        if version <= 0 or (version == 1 and self.style == "checksum"):
            return Members(members, _NO_VERSION, struct.pack(">I", streamer.member("fCheckSum")))
        return Members(members, version)

    def _member(self, element: Any, fields: dict[str, Layout], whole: RecordLayout) -> tuple[str | None, Stream]:
        streamers = uproot.streamers
        if _is_base(element):
            return None, self._base(element, fields, whole)
        name = str(element.name)
        if name not in fields:
            msg = f"the archive does not hold member {name!r}"
            raise CannotStream(msg)
        layout = fields[name]
        if isinstance(element, streamers.Model_TStreamerBasicType):
            if element.typename in ("Double32_t", "Float16_t"):
                msg = f"member {name!r} is a {element.typename}, whose bits an array does not tell"
                raise CannotStream(msg)
            dtype = uproot.interpretation.identify._ftype_to_dtype(element.fType)
            if element.array_length:
                dtype = np.dtype((dtype, (element.array_length,)))
            return name, _numbers(dtype, layout)
        if isinstance(element, streamers.Model_TStreamerBasicPointer) and isinstance(layout, ListLayout):
            # how many there are is told by another member
            dtype = uproot.interpretation.identify._ftype_to_dtype(element.fType - uproot.const.kOffsetP)
            numbers = _numbers(dtype, layout.content)
            return name, Items(numbers, None, counted=False, flagged=True, counter=str(element.count_name))
        if isinstance(element, streamers.Model_TStreamerString):
            return name, _text(layout, Text())
        if isinstance(element, streamers.Model_TStreamerSTL):
            model = parse_typename(
                element.typename, file=self.file, outer_header=True, inner_header=False, string_header=True
            )
            return name, self._of_model(model, layout)
        if isinstance(element, streamers.Model_TStreamerObject | streamers.Model_TStreamerObjectAny) and not (
            element.array_length
        ):
            return name, self._class(element.typename, layout, header=True)
        msg = f"member {name!r} is a {element.typename}, which cannot be made of an array"
        raise CannotStream(msg)

    def _base(self, element: Any, fields: dict[str, Layout], whole: RecordLayout) -> Stream:
        """A base class, whose members uproot puts among those of the class itself."""
        if element.name == _TOBJECT_CLASS:
            return Constant(_TOBJECT)
        streamer = self.file.streamer_named(element.name, element.base_version)
        if streamer is None:
            msg = f"the file that was compressed does not describe class {element.name}"
            raise CannotStream(msg)
        members = tuple(self._member(one, fields, whole) for one in streamer.elements)
        return self._object(members, streamer, header=True)


def _numbers(dtype: np.dtype[Any], layout: Layout) -> Stream:
    for size in dtype.shape:
        if not isinstance(layout, RegularLayout) or layout.size != size:
            msg = f"an array of {size} elements is not what the archive holds"
            raise CannotStream(msg)
        layout = layout.content
    if not isinstance(layout, Values) or layout.dtype != dtype.base.newbyteorder("=").name:
        msg = f"numbers of type {dtype.base} are not what the archive holds"
        raise CannotStream(msg)
    stream: Stream = Numbers(layout.dtype)
    for size in reversed(dtype.shape):
        stream = Fixed(size, stream)
    return stream


def _text(layout: Layout, text: Text) -> Text:
    if not isinstance(layout, ListLayout) or layout.text is None:
        msg = "a string is not what the archive holds"
        raise CannotStream(msg)
    return text


def _is_base(element: Any) -> bool:
    return isinstance(element, uproot.streamers.Model_TStreamerBase)


def _names(members: list[tuple[str | None, Stream]]) -> set[str]:
    """Fields of a record that members are made of."""
    names: set[str] = set()
    for name, stream in members:
        if name is not None:
            names.add(name)
        elif isinstance(stream, Members):
            names |= _names(list(stream.members))
    return names
