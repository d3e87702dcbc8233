"""`aiokai warm-up`: the kernels, compiled before anybody waits for them."""

import typer


def warm_up() -> None:
    """Compile the kernels into the cache, $AIOKAI_CACHE, so that the next start only loads them."""
    from aiokai.kernels.jit import cache_folders
    from aiokai.scheduler import warm_up as compile_all

    compile_all(lambda name, done, total: typer.echo(f"compiling kernels {done + 1}/{total}: {name}", err=True))
    folder = cache_folders()[-1]
    if not any(folder.glob("*.nbi")):
        typer.echo(f"aiokai warm-up: nothing could be written to {folder}", err=True)
        raise typer.Exit(1)
    typer.echo(folder)
