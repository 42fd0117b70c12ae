"""The command ``hepbaler``: its verbs, and what becomes of their errors.

Exit codes: 0 success, 1 failure, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM. A failure is one line on stderr.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

import click

from ..allocator import few_arenas
from ..errors import BoundError, HepbalerError
from .analyse import analyse
from .compress import compress
from .decompress import decompress
from .evaluate import evaluate
from .info import info
from .merge import merge
from .options import CONTEXT, Session
from .plan import plan
from .sample import sample
from .skim import skim
from .study import study
from .train import train
from .tune import tune
from .verify import verify

__all__ = ("cli", "main", "run")

FAILURE, USAGE, INTERRUPTED, TERMINATED = 1, 2, 130, 143


def __dir__() -> tuple[str, ...]:
    return __all__


class Verbs(click.Group):
    """A group that lists its verbs in the order of use, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of the verbs in the order in which they were added."""
        return list(self.commands)


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from ..version import __version__

        click.echo(f"hepbaler {__version__}")
        ctx.exit()


@click.group(cls=Verbs, context_settings=CONTEXT)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show the version."
)
def cli() -> None:
    """Compress ROOT files with autoencoders, within a bound on every value.

    \b
      hepbaler compress events.root                   -> events.root.hbal
      hepbaler info events.root.hbal                  bytes by part and branch
      hepbaler verify events.root.hbal events.root    every value against its bound
      hepbaler decompress events.root.hbal -o back.root
    """  # noqa: D301 - click reads the backspace


for _command in (compress, decompress, info, verify, merge, skim, evaluate, analyse, study, plan, train, tune, sample):
    cli.add_command(_command)


@dataclass(frozen=True)
class _Failure:
    """How a run that failed ends."""

    message: str
    code: int


def _message_of(error: OSError) -> str:
    """The line for an `OSError` of the system: reason and path."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno == errno.ENOSPC:
        reason = "no space left on the disk"
    return f"{error.filename}: {reason}" if error.filename is not None else reason


def _failure_of(error: BaseException) -> _Failure:
    """What to say about `error`, and with which code to leave."""
    if isinstance(error, click.UsageError):
        where = f" (see '{error.ctx.command_path} --help')" if error.ctx is not None else ""
        return _Failure(error.format_message() + where, USAGE)
    if isinstance(error, BoundError):
        return _Failure(str(error), USAGE)
    if isinstance(error, click.ClickException):
        return _Failure(error.format_message(), error.exit_code)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return _Failure("interrupted; nothing half-written is left", INTERRUPTED)
    if isinstance(error, HepbalerError):
        # Lists of unreadable branches keep their lines.
        return _Failure(str(error) or type(error).__name__, FAILURE)
    if isinstance(error, OSError):
        return _Failure(_one_line(_message_of(error)), FAILURE)
    if isinstance(error, MemoryError):
        return _Failure("out of memory", FAILURE)
    what = _one_line(f"unexpected {type(error).__name__}: {error}")
    return _Failure(f"{what} (a mistake of hepbaler's: -vv shows where; please report it)", FAILURE)


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `SystemExit`, SIGINT into `KeyboardInterrupt`, so that writers take their temporary files along.

    The first one counts. Those after it would hit the cleaning up, which is a matter of a second.
    """
    before: dict[int, Callable[..., object] | int | None] = {}

    def leave(number: int, _: FrameType | None) -> None:
        for caught in before:
            signal.signal(caught, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    # Python lets the main thread alone do this.
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # A parent that said nohup has SIGHUP ignored, and that is to stay so.
            if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _one_line(message: str) -> str:
    return " ".join(message.split())


def run() -> NoReturn:
    """The command as a process of its own: `main`, and the end of the process."""
    few_arenas()
    code = main()
    if code > 128:
        # Threads may still compute, in torch's code, too. Python would wait for them, or tear down what they stand on.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def main(args: Sequence[str] | None = None) -> int:
    """Run ``hepbaler`` with `args` (default: those of the process).

    Returns
    -------
    int
        The exit code.
    """
    session = Session()
    try:
        with _signals_as_exceptions():
            result = cli.main(
                None if args is None else list(args), prog_name="hepbaler", standalone_mode=False, obj=session
            )
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
        return FAILURE
    except SystemExit as error:
        # Either a signal, or click, which leaves with 1 when the reader of a pipe has gone.
        code = error.code if isinstance(error.code, int) else FAILURE
        if code > 128:
            click.echo("hepbaler: error: terminated; nothing half-written is left", err=True)
        return code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except BaseException as error:  # noqa: BLE001 - the last border: a user gets a line, with -vv the traceback
        if session.verbosity >= 2:
            traceback.print_exception(error)
        failure = _failure_of(error)
        click.echo(f"hepbaler: error: {failure.message}", err=True)
        return failure.code
    finally:
        logging.shutdown()
    return result if isinstance(result, int) else 0


def _drop_stdout() -> None:
    """Send what is still buffered to nowhere, lest the interpreter complains about the closed pipe at its end."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
