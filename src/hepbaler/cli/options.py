"""Options that several verbs share, and the bounds, whose order on the command line matters."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import BoundError

if TYPE_CHECKING:
    from ..bounds import Plan, Rule

__all__ = (
    "ARCHIVE",
    "BOUND_KINDS",
    "CONTEXT",
    "BoundedCommand",
    "Session",
    "bound_options",
    "chosen_plan",
    "chosen_settings",
    "force_option",
    "jobs_option",
    "json_option",
    "refuse_pairs",
    "selection_options",
    "settings_options",
    "talk_options",
    "training_options",
)

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
ARCHIVE = "ARCHIVE"
BOUND_KINDS = ("bits", "abs", "rel", "exact")
_ORDER = "hepbaler.bounds_in_order"

F = TypeVar("F", bound=Callable[..., Any])


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass
class Session:
    """How much one run of the command says. Set by ``-q`` and ``-v``, asked at its end for the traceback."""

    quiet: bool = False
    verbosity: int = 0


def _set_quiet(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.ensure_object(Session).quiet = value


def _set_verbosity(ctx: click.Context, _: click.Parameter, value: int) -> None:
    session = ctx.ensure_object(Session)
    session.verbosity = value
    if value == 0:
        # Remarks of uproot, torch and numpy help a developer, not somebody who waits for a file.
        warnings.simplefilter("ignore")
    logging.basicConfig(
        level=(logging.WARNING, logging.INFO, logging.DEBUG)[min(value, 2)], format="hepbaler: %(message)s", force=True
    )
    # Other packages' debug logs (fsspec, asyncio, ...) are not what -vv asks for.
    logging.getLogger("hepbaler").setLevel(logging.NOTSET)
    for name in ("asyncio", "fsspec", "matplotlib", "numba"):
        logging.getLogger(name).setLevel(logging.WARNING)


def talk_options(command: F) -> F:
    """Add ``-q`` and ``-v``."""
    quiet = click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_set_quiet,
        help="No progress and no summary.",
    )
    verbose = click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_set_verbosity,
        help="Tell what is done; -vv also where an error came from.",
    )
    return quiet(verbose(command))


def force_option(command: F) -> F:
    """Add ``-f``."""
    return click.option("-f", "--force", is_flag=True, help="Overwrite what exists.")(command)


def json_option(command: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)


def jobs_option(text: str) -> Callable[[F], F]:
    """Add ``-j``, with `text` as its help."""
    return click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help=text)


def selection_options(command: F) -> F:
    """Add ``--keep`` and ``--drop``."""
    keep = click.option("--keep", multiple=True, metavar="GLOB", help="Carry only these branches (repeatable).")
    drop = click.option("--drop", multiple=True, metavar="GLOB", help="Leave these branches out (repeatable).")
    return keep(drop(command))


def training_options(command: F) -> F:
    """Add the options of training: ``--preset``, ``--train-steps``, ``--train-time``, ``--device``, ``--seed``."""
    options = (
        click.option(
            "--preset",
            type=click.Choice(["fast", "default", "small"]),
            default="default",
            show_default=True,
            help="Less time to train and to read, or fewer bytes.",
        ),
        click.option(
            "--train-steps", type=click.IntRange(min=1), metavar="N", help="Steps of training (default: by size)."
        ),
        click.option(
            "--train-time",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="Choose the steps so that training takes about this long here.",
        ),
        click.option(
            "--device",
            default="auto",
            show_default=True,
            envvar="HEPBALER_DEVICE",
            metavar="DEVICE",
            help="Where to train: auto, cpu, cuda, cuda:0, mps.",
        ),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of training."),
    )
    for option in reversed(options):
        command = option(command)
    return command


class BoundedCommand(click.Command):
    """A command that remembers the order of its bounds.

    click collects the values of each option by itself, so that ``--bits 10 --exact 'Jet_*' --bits 'Jet_pt=8'`` would lose
    who came last. The parser also tells which option stood where; this is kept in ``ctx.meta``.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, after noting the order of the bounds."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[_ORDER] = tuple(param.name for param in order if param.name in BOUND_KINDS)
        return super().parse_args(ctx, args)


def settings_options(command: F) -> F:
    """Add what `compress` and `train` have in common: bounds, branches, training. The command must be a `BoundedCommand`."""
    skip = click.option("--skip-unreadable", is_flag=True, help="Leave out what cannot be carried, and name it.")
    return bound_options(selection_options(training_options(skip(command))))


def chosen_settings(ctx: click.Context) -> dict[str, Any]:
    """What `settings_options` ask for, as arguments of `hepbaler.compress` and `hepbaler.train`.

    Raises
    ------
    click.UsageError
        Two of them contradict each other.
    click.BadParameter
        A bound is written wrongly.
    """
    refuse_pairs(ctx, (("train_steps", "train_time"),))
    names = ("keep", "drop", "preset", "train_steps", "train_time", "device", "seed", "skip_unreadable")
    return {"plan": chosen_plan(ctx, ctx.params["plan_file"])} | {name: ctx.params[name] for name in names}


def refuse_pairs(ctx: click.Context, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse options that cannot be obeyed together, where both are on the command line.

    Raises
    ------
    click.UsageError
        Naming the first pair.
    """
    flags = {parameter.name: parameter.opts[-1] for parameter in ctx.command.params}
    for one, other in pairs:
        if all(ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE for name in (one, other)):
            msg = f"{flags[one]} and {flags[other]} exclude each other"
            raise click.UsageError(msg, ctx=ctx)


def bound_options(command: F) -> F:
    """Add ``--bits``, ``--abs``, ``--rel``, ``--exact`` and ``--plan``. The command must be a `BoundedCommand`."""
    options = (
        click.option(
            "--bits", multiple=True, metavar="[GLOB=]BITS", help="Keep so many mantissa bits, rounded (default: 10)."
        ),
        click.option("--abs", multiple=True, metavar="[GLOB=]ERROR", help="Absolute error, in the branch's own unit."),
        click.option("--rel", multiple=True, metavar="[GLOB=]ERROR", help="Relative error."),
        click.option("--exact", multiple=True, metavar="GLOB", help="Keep these branches bit for bit."),
        click.option(
            "--plan",
            "plan_file",
            type=click.Path(dir_okay=False),
            metavar="FILE",
            help="Bounds from a file that 'hepbaler plan' wrote; the options above go over it.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def rules_in_order(order: Sequence[str], values: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Bounds as they stood on the command line.

    Parameters
    ----------
    order
        Kind of each bound, first to last.
    values
        Values of each kind, first to last.

    Returns
    -------
    list of (str, str)
        Pairs of kind and value.
    """
    remaining = {kind: iter(given) for kind, given in values.items()}
    return [(kind, next(remaining[kind])) for kind in order]


def _rule_of(kind: str, value: str) -> Rule:
    """A rule from one option, e.g. ``("bits", "Jet_*=12")``."""
    from ..bounds import Bound, Rule

    if kind == "exact":
        return Rule(value, Bound.parse("exact"))
    # Names of branches may hold an equals sign, numbers do not.
    pattern, equals, number = value.rpartition("=")
    return Rule(pattern if equals else "*", Bound.parse(f"{kind}={number}"))


def chosen_plan(ctx: click.Context, plan_file: str | None) -> Plan:
    """The plan that the options of a `BoundedCommand` ask for.

    Raises
    ------
    click.BadParameter
        A bound is written wrongly.
    """
    from ..bounds import Plan

    base = Plan.from_toml(plan_file) if plan_file is not None else Plan()
    rules = base.rules
    values = {kind: ctx.params[kind] for kind in BOUND_KINDS}
    for kind, value in rules_in_order(ctx.meta[_ORDER], values):
        try:
            rules += (_rule_of(kind, value),)
        except BoundError as error:
            msg = f"{value!r}: {error}"
            raise click.BadParameter(msg, ctx=ctx, param_hint=f"'--{kind}'") from error
    return Plan(rules, base.default)
