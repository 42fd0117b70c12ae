from typing_extensions import Buffer

def run_net(
    columns: tuple[Buffer, ...],
    n_rows: int,
    weights: tuple[Buffer, Buffer, Buffer, Buffer, Buffer, Buffer],
    outputs: tuple[Buffer, Buffer, Buffer],
) -> None: ...
def decode_symbols(
    stream: Buffer,
    escaped: Buffer,
    n_escaped: int,
    location: Buffer,
    level: Buffer,
    n_rows: int,
    table: tuple[Buffer, ...],
    levels: Buffer,
    uniform: int,
    constants: tuple[Buffer, ...],
    values: Buffer,
    seen: Buffer,
) -> tuple[int, int]: ...
def encode_symbols(
    location: Buffer,
    level: Buffer,
    n_rows: int,
    table: tuple[Buffer, ...],
    levels: Buffer,
    uniform: int,
    constants: tuple[Buffer, ...],
    bins: Buffer,
    offset: Buffer,
) -> bytes: ...
def see_ranks(q: Buffer, n_rows: int, table: tuple[Buffer, ...], seen: Buffer) -> None: ...
def place_values(
    values: Buffer, n_rows: int, edges: Buffer, table: tuple[Buffer, ...], rank: Buffer, seen: Buffer
) -> None: ...
def climb_ladder(
    q: Buffer, n_rows: int, values: Buffer, step: float, levels: int, coarse: Buffer, fine: Buffer, bits: int
) -> None: ...
def clean(values: Buffer, n: int, out: Buffer) -> None: ...
def hyperbolic_cosine(x: Buffer, n: int, out: Buffer) -> None: ...
def cosine_and_sine(angle: Buffer, n: int, cosine: Buffer, sine: Buffer) -> None: ...
def gather(column: Buffer, n_there: int, rows: Buffer, n_rows: int, out: Buffer) -> None: ...
def predict_hint(
    n_terms: int, kinds: Buffer, weights: Buffer, offset: float, columns: tuple[Buffer, ...], n_rows: int, out: Buffer
) -> None: ...
def learn(
    rows: Buffer, n: int, values: tuple[Buffer, Buffer, Buffer, Buffer], momentum: Buffer, n_all: int
) -> None: ...
def what_is_left(
    rows: Buffer,
    n: int,
    family: tuple[Buffer, Buffer, Buffer],
    momentum: Buffer,
    rest: Buffer,
    n_all: int,
    out: Buffer,
) -> None: ...
