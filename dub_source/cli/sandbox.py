"""``dub-source sandbox``: the stand-alone sandbox."""

from __future__ import annotations

from pathlib import Path

import click

from dub_source.cli.reporting import found_by_the_shell
from dub_source.errors import SettingsError


def serve(
    *,
    port: int,
    seed: Path | None,
    customers: int,
    random_seed: int,
    unreadable: int,
    latency_ms: float,
    rate_limit: str,
    rate_window: float,
    faults: Path | None,
    log: bool,
) -> None:
    """Run until interrupted."""
    try:
        from dub_source.sandbox import Sandbox, load_seed
        from dub_source.sandbox.faults import load_faults
        from dub_source.sandbox.generate import generate
    except ImportError as error:
        raise SettingsError(
            f"The sandbox needs more packages ({error.name}): pip install 'dub-source[sandbox]'."
        ) from None
    try:
        dataset = (
            load_seed(seed) if seed else generate(customers, random_seed=random_seed, unreadable=unreadable)
        )
        scripted = load_faults(faults) if faults else []
        limit = _limit(rate_limit)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    try:
        running = Sandbox(
            dataset, port=port, rate_limit=limit, rate_window_s=rate_window, latency_ms=latency_ms, log=log
        )
    except OSError as error:
        raise SettingsError(
            f"Port {port} of 127.0.0.1 cannot be used ({error.strerror}): choose another one with --port."
        ) from None
    running.inject(*scripted)
    click.echo(f"Sandbox Dub API on {running.url} with {len(dataset.customers):,} customers. Keys:")
    for token in dataset.tokens:
        click.echo(f"  {token.name:<16}{token.key}")
    click.echo("In another terminal:")
    for step in found_by_the_shell():
        click.echo(f"  {step}")
    click.echo(f"  export SOURCES__DUB__API_KEY={dataset.tokens[0].key} SOURCES__DUB__BASE_URL={running.url}")
    click.echo("  dub-source load")
    running.serve()


def _limit(text: str) -> int | None:
    """None for the plan's limit, 0 for none."""
    if text == "plan":
        return None
    if text == "off":
        return 0
    if not text.isdecimal() or int(text) == 0:
        raise ValueError("The --rate-limit must be 'plan', 'off' or a whole number of requests above 0.")
    return int(text)
