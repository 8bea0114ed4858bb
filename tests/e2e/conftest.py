"""Fixtures, and the check that no machine's log says what a healthy one never says."""
import importlib.machinery
import importlib.util
import pathlib
import subprocess

import pytest
from machine import BUILD, TOOLS, Machine


def _load_tool(name):
    loader = importlib.machinery.SourceFileLoader(name, str(TOOLS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


check_log = _load_tool("check_log")


@pytest.fixture
def boot():
    """boot(...) starts a Machine; all are stopped, and their logs scanned, when the test ends.

    `allow`: patterns of lines that this scenario provokes.
    """
    machines = []

    def start(allow=(), **options):
        machine = Machine(**options)
        machines.append((machine, allow))
        return machine

    yield start
    bad = []
    for machine, allow in machines:
        machine.__exit__()
        bad += check_log.bad_lines(machine.received, allow)
    assert not bad, "the log contains:\n" + "\n".join(bad)


@pytest.fixture(scope="session")
def kernel():
    return BUILD / "kernel-release" / "kernel.stripped"


@pytest.fixture(scope="session")
def archive():
    return BUILD / "peal.archive"


@pytest.fixture
def fat_disk(tmp_path):
    """fat_disk({path: bytes}, ...) makes a disk with one FAT32 partition by mkfs.vfat and mtools."""

    def run(*words):
        subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MTOOLS_SKIP_CHECK": "1",
                                                       "LC_ALL": "C.UTF-8"})

    def make(files, name="fat.disk", sectors_per_cluster=1):
        disk = tmp_path / name
        mebibytes = 46 * sectors_per_cluster  # FAT32 is FAT32 by having more than 65,524 clusters
        with open(disk, "wb") as out:
            out.truncate((mebibytes + 2) << 20)
        run("sgdisk", "--clear", f"--new=1:2048:+{mebibytes}M", "--typecode=1:0700", disk)
        run("mkfs.vfat", "-F", "32", "-s", sectors_per_cluster, "-n", "TEST", "--offset=2048", disk, mebibytes << 10)
        volume = f"{disk}@@{2048 * 512}"
        folders = sorted({str(parent) for path in files for parent in pathlib.PurePath(path).parents})
        for folder in folders:
            if folder != ".":
                run("mmd", "-i", volume, f"::{folder}")
        for path, content in files.items():
            source = tmp_path / "content"
            source.write_bytes(content)
            run("mcopy", "-i", volume, source, f"::{path}")
        return disk

    return make
