"""The programs that people try disks with: fsstress and diskbench."""
import os
import re

import pytest

MODES = [(64, depth, kind, way) for way in ("cached", "direct") for kind in ("write", "read") for depth in (1, 8)]
MODES += [(4, depth, kind, way) for way in ("cached", "direct") for kind in ("read", "write") for depth in (1, 8, 32)]


def rows(table):
    """(KiB, depth, read or write, cached or direct) of each row that has numbers."""
    pattern = r"(read|write) (\d+) KiB (?:in order|at random) +(cached|direct) +(\d+) +\d+\.\d +\d+ +\d+ +\d+"
    return [(int(size), int(depth), kind, way) for kind, size, way, depth in re.findall(pattern, table)]


@pytest.fixture
def disks(shell, fat_disk, tmp_path):
    """A machine with a small volume, most of which is taken, and a disk without anything."""
    empty = tmp_path / "empty.disk"
    empty.write_bytes(bytes(1 << 20))
    return shell(disks=[fat_disk({"taken": os.urandom(44 << 20)}), empty])


def test_fsstress_and_diskbench_find_a_disk_in_order(disks):
    for words, refused in (("-s 1 -t 3 -n 150 -f 8 -b 60k", "0"), ("-s 2 -t 2 -n 300 -f 12 -b 2m", r"[1-9]\d*")):
        said = disks.run(f"fsstress {words} /disk0")
        assert re.search(rf"\b[1-9]\d* syncs, {refused} refused for want of room, 0 faults$", said, re.MULTILINE), said
    assert disks.run("ls /disk0").split() == ["taken"]

    assert sorted(rows(disks.run("diskbench -b 256k -n 40 /disk0"))) == sorted(MODES)
    assert disks.run("ls /disk0").split() == ["taken"]
    reads = [mode for mode in MODES if mode[2] == "read"]
    assert sorted(rows(disks.run("diskbench -b 256k -n 40 /disk0/taken"))) == sorted(reads)
    direct = [mode for mode in MODES if mode[3] == "direct"]
    assert sorted(rows(disks.run("diskbench -b 256k -n 40 -w /dev/virtio1"))) == sorted(direct)
    disks.run("diskbench -b 256k -n 40 -c /disk0 > /disk0/table")
    table = disks.run("cat /disk0/table")
    assert sorted(rows(table)) == sorted(mode for mode in MODES if mode[3] == "cached") and "#" not in table


def test_what_cannot_be_tried_is_told(disks):
    for command, answer in [
            ("diskbench", "one path is needed"),
            ("diskbench -c -d /disk0", "exclude all"),
            ("diskbench -b 5x /disk0", "a size such as 4m"),
            ("diskbench -n 0 /disk0", "1 to 65536"),
            ("diskbench -c /dev/virtio1", "a device has no cache"),
            ("diskbench -w /dev/virtio0p1", "BUSY"),
            ("diskbench -b 100 /disk0", "64 KiB are needed"),
            ("diskbench -b 16m /disk0", "NO_SPACE"),
            ("diskbench /boot", "PERMISSION_DENIED"),
            ("diskbench /nothing", "NOT_FOUND"),
            ("fsstress", "one directory is needed"),
            ("fsstress -t 65 /disk0", "1 to 64 workers"),
            ("fsstress /nothing", "NOT_FOUND"),
            ("fsstress -n 5 /boot", "worker0: is not made: PERMISSION_DENIED")]:
        said = disks.run(command)
        assert answer in said, f"{command}: {said}"
    assert disks.run("ls /disk0").split() == ["taken"]
    for program in ("fsstress", "diskbench"):
        assert disks.run(f"{program} --help").startswith(f"{program} [options] ")


def test_help_lists_the_programs_there_are(shared_shell):
    listed = shared_shell.run("help").partition("Programs, in /boot/bin:\n")[2].partition("\n\n")[0]
    assert {line.split()[0] for line in listed.splitlines()} == set(shared_shell.run("ls /boot/bin").split()) - {"init"}
