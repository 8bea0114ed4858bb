"""Fixtures, and the check that no machine's log says what a healthy one never says."""
import importlib.machinery
import importlib.util
import pathlib
import shutil
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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    item.has_failed = getattr(item, "has_failed", False) or report.failed


@pytest.fixture
def shell(boot):
    """shell(...) is boot(...), up to the prompt."""
    def start(**options):
        machine = boot(**options)
        machine.wait_for_prompt()
        return machine

    return start


@pytest.fixture(scope="session")
def _shared_machines():
    machines = []
    yield machines
    for machine in machines:
        machine.__exit__()


@pytest.fixture
def shared_shell(request, _shared_machines, tmp_path_factory):
    """A machine at its prompt that tests use one after the other: with the sample disk and QMP.

    For what leaves the shell as it was. After a test that failed the next one gets a new machine.
    `@pytest.mark.allow(pattern)` is for lines that a test provokes.
    """
    if not _shared_machines:
        # A copy: QEMU locks its disks, and `./peal run` wants this one, too.
        disk = shutil.copyfile(BUILD / "sample.disk", tmp_path_factory.mktemp("shared") / "sample.disk")
        machine = Machine(disks=[disk], qmp=True)
        _shared_machines.append(machine)
        machine.wait_for_prompt()
    machine = _shared_machines[-1]
    begin = len(machine.received)
    yield machine
    allow = [pattern for mark in request.node.iter_markers("allow") for pattern in mark.args]
    bad = list(check_log.bad_lines(machine.received[begin:], allow))
    if bad or getattr(request.node, "has_failed", False):
        _shared_machines.pop().__exit__()
    assert not bad, "the log contains:\n" + "\n".join(bad)


def pytest_configure(config):
    config.addinivalue_line("markers", "allow(pattern): lines of the log that the test provokes")


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
