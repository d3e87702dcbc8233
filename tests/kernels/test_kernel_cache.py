"""A cache saves time and nothing else: whatever is wrong with it, the kernel is compiled."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import pytest

from aiokai.kernels.jit import cache_folders
from aiokai.kernels.kernel_cache import KernelCache

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")


def double(number: int) -> int:
    return 2 * number


def compiled(*folders: Path) -> Any:
    """`double`, compiled or found, as a program that has just started does it."""
    kernel = numba.njit(nogil=True)(double)
    kernel._cache = KernelCache(double, folders)
    assert kernel(4) == 8
    return kernel


def found(kernel: Any) -> bool:
    return bool(kernel.stats.cache_hits)


def unwritable(folder: Path) -> Path:
    """A folder that even root cannot make."""
    file = folder / "file"
    file.touch()
    return file / "below"


def test_what_was_compiled_once_is_found_at_the_next_start(tmp_path: Path) -> None:
    assert not found(compiled(tmp_path / "own"))
    assert found(compiled(tmp_path / "own"))


def test_ready_made_kernels_are_read_and_never_written_to(tmp_path: Path) -> None:
    compiled(tmp_path / "image")
    before = {file: file.read_bytes() for file in (tmp_path / "image").iterdir()}
    assert found(compiled(tmp_path / "image", tmp_path / "own"))
    assert not (tmp_path / "own").exists()
    assert {file: file.read_bytes() for file in (tmp_path / "image").iterdir()} == before


def test_what_the_image_lacks_goes_into_the_cache_behind_it(tmp_path: Path) -> None:
    assert not found(compiled(tmp_path / "image", tmp_path / "own"))
    assert not (tmp_path / "image").exists()
    assert found(compiled(tmp_path / "image", tmp_path / "own"))


def test_kernels_of_another_processor_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(tmp_path / "image")
    codegen = type(numba.njit(double).targetctx.codegen())
    monkeypatch.setattr(codegen, "magic_tuple", lambda _: ("another", "processor", ""))
    assert not found(compiled(tmp_path / "image", tmp_path / "own"))
    assert found(compiled(tmp_path / "image", tmp_path / "own"))


@pytest.mark.parametrize("folders", [lambda _: (), lambda tmp: (unwritable(tmp),)], ids=["none", "unwritable"])
def test_without_a_folder_to_write_to_it_is_compiled_each_time(
    folders: Callable[[Path], tuple[Path, ...]], tmp_path: Path
) -> None:
    assert not found(compiled(*folders(tmp_path)))


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_a_broken_file_is_compiled_over(suffix: str, tmp_path: Path) -> None:
    compiled(tmp_path)
    (file,) = tmp_path.glob(f"*.{suffix}")
    file.write_bytes(file.read_bytes()[:40])
    assert not found(compiled(tmp_path))
    compiled(tmp_path)
    assert found(compiled(tmp_path))


def test_the_folders_are_those_of_the_image_then_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOKAI_KERNELS", str(tmp_path / "image"))
    monkeypatch.setenv("AIOKAI_CACHE", str(tmp_path / "own"))
    assert [folder.parent for folder in cache_folders()] == [tmp_path / "image", tmp_path / "own"]
    monkeypatch.delenv("AIOKAI_KERNELS")
    monkeypatch.delenv("AIOKAI_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert [folder.parent for folder in cache_folders()] == [tmp_path / "aiokai"]


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("AIOKAI_KERNELS", "AIOKAI_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert cache_folders() == ()
