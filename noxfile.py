from __future__ import annotations

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]

INSTALL = ("-c", "constraints.txt", "-e", ".[train,analysis]")


def groups(*names: str) -> list[str]:
    return nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), *names)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install(*groups("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    session.install(*INSTALL, *groups("lint"))
    session.run("mypy", "--strict", "src")


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests; what follows -- goes to pytest (-m 'not slow' for the quick ones)."""
    session.install(*INSTALL, *groups("test"))
    session.run("pytest", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build sdist and wheel."""
    session.install("build")
    session.run("python", "-m", "build")


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with other coders on the shipped sample; what follows -- goes to `python -m benchmarks`."""
    session.install(*INSTALL, "-r", "benchmarks/requirements.txt")
    session.run("python", "-m", "benchmarks", *(session.posargs or ("peers",)))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site to docs/_build, warnings being errors (HEPBALER_DOCS_RUN=off leaves the tutorials' outputs out)."""
    session.install("-c", "constraints.txt", "-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "docs", "docs/_build", *session.posargs)
