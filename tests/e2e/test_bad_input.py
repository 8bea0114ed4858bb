"""Disks and programs that are not what they should be: each is answered, and the shell goes on."""
import re
import struct
import subprocess

import pytest
from machine import BUILD

GOOD = b"all is well\n"
CLUSTER = 512  # one sector


class Volume:
    """The FAT32 volume of a disk made by fat_disk, to be damaged by number."""

    def __init__(self, disk):
        self.disk = disk
        self.bytes = bytearray(disk.read_bytes())
        self.start = 2048 * 512
        self.fat_start = self.start + self.number(14, 2) * 512
        self.fat_bytes = self.number(36, 4) * 512
        self.fats = self.number(16, 1)
        self.data_start = self.fat_start + self.fats * self.fat_bytes
        self.root_cluster = self.number(44, 4)

    def number(self, at, length):
        return int.from_bytes(self.bytes[self.start + at:self.start + at + length], "little")

    def cluster_at(self, cluster):
        return self.data_start + (cluster - 2) * CLUSTER

    def link(self, cluster, following):
        for fat in range(self.fats):
            at = self.fat_start + fat * self.fat_bytes + cluster * 4
            self.bytes[at:at + 4] = following.to_bytes(4, "little")

    def following(self, cluster):
        at = self.fat_start + cluster * 4
        return int.from_bytes(self.bytes[at:at + 4], "little") & 0x0FFFFFFF

    def chain(self, cluster):
        while cluster < 0x0FFFFFF0:
            yield cluster
            cluster = self.following(cluster)

    def entry_at(self, name):
        """Where the root's entry with this short name, such as b"LOOP    TXT", begins."""
        for cluster in self.chain(self.root_cluster):
            for at in range(self.cluster_at(cluster), self.cluster_at(cluster) + CLUSTER, 32):
                if self.bytes[at:at + 11] == name:
                    return at
        raise KeyError(name)

    def first_cluster(self, name):
        at = self.entry_at(name)
        return (int.from_bytes(self.bytes[at + 20:at + 22], "little") << 16
                | int.from_bytes(self.bytes[at + 26:at + 28], "little"))

    def set_first_cluster(self, name, cluster):
        at = self.entry_at(name)
        self.bytes[at + 20:at + 22] = (cluster >> 16).to_bytes(2, "little")
        self.bytes[at + 26:at + 28] = (cluster & 0xFFFF).to_bytes(2, "little")

    def write(self):
        self.disk.write_bytes(self.bytes)


def folder_of(machine, number):
    """Where the disk with this number on the bus is mounted; None when it is not."""
    found = re.search(rf"mount: (/disk\d+) is virtio{number}(p\d+)?,", machine.received)
    return found and found[1]


def test_disks_that_hold_no_volume_are_told_and_left_alone(shell, fat_disk, tmp_path):
    def disk(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    def fat(name, bits, kibibytes):
        subprocess.run(["/usr/sbin/mkfs.vfat", "-C", "-F", str(bits), tmp_path / name, str(kibibytes)], check=True,
                       stdout=subprocess.DEVNULL)
        return tmp_path / name

    sample = (BUILD / "sample.disk").read_bytes()
    extended = bytearray(1 << 20)
    extended[1080:1082] = b"\x53\xef"
    disks = [
        disk("one-sector", bytes(512)),
        disk("zeros", bytes(1 << 20)),
        disk("noise", bytes(range(256)) * 4096),
        disk("extended", bytes(extended)),
        fat("fat12", 12, 1440),
        fat("fat16", 16, 20480),
        disk("only-first-sector", sample[:512]),
        disk("only-partition-table", sample[:34 * 512]),
        disk("only-boot-sector", sample[:(1 << 20) + 512]),
    ]
    machine = shell(disks=[*disks, fat_disk({"good.txt": GOOD})])
    for number, path in enumerate(disks):
        assert folder_of(machine, number) is None, path.name
        assert re.search(rf"virtio{number}\S*( is not mounted)?: ", machine.received), path.name
    assert machine.run("ls /") == "boot/\ndev/\ndisk0/\nesp/\nproc/"
    assert machine.run("cat /disk0/good.txt") == GOOD.decode().strip()


def test_a_volume_that_is_cut_off_gives_what_is_there(shell, tmp_path):
    (tmp_path / "cut").write_bytes((BUILD / "sample.disk").read_bytes()[:(1 << 20) + 3000 * 512])
    machine = shell(disks=[tmp_path / "cut"])
    folder = folder_of(machine, 0)
    if folder is None:
        assert "virtio0" in machine.received
    else:
        assert machine.run(f"cat {folder}/numbers/lines.txt") != ""
    assert machine.run("echo still here") == "still here"


def test_damaged_chains_of_clusters_are_errors_and_no_more(shell, fat_disk):
    names = ("loop", "self", "cross", "range", "free", "bad", "start", "zero", "short")
    files = {f"{name.upper()}.TXT": name.encode() * 1000 for name in names}
    disk = fat_disk({"GOOD.TXT": GOOD, **files, "FOLDER/INNER.TXT": GOOD})
    volume = Volume(disk)

    def chain_of(name):
        return list(volume.chain(volume.first_cluster(f"{name.upper():8}TXT".encode())))

    volume.link(chain_of("loop")[-1], chain_of("loop")[0])
    volume.link(chain_of("self")[0], chain_of("self")[0])
    volume.link(chain_of("cross")[1], chain_of("short")[2])
    volume.link(chain_of("range")[1], 0x0FFFFF00)
    volume.link(chain_of("free")[1], 0)
    volume.link(chain_of("bad")[1], 0x0FFFFFF7)
    volume.link(chain_of("short")[4], 0x0FFFFFFF)
    volume.set_first_cluster(b"START   TXT", 0x0ABCDEF0)
    volume.set_first_cluster(b"ZERO    TXT", 0)
    folder = volume.first_cluster(b"FOLDER     ")
    volume.link(folder, folder)
    volume.write()

    machine = shell(disks=[disk])
    assert "GOOD.TXT" in machine.run("ls /disk0")
    for name in names:
        seen = machine.run(f"cat /disk0/{name}.txt")
        assert "IO_ERROR" in seen, name
        assert machine.run("echo $?") == "1", name
    assert machine.run("ls /disk0/FOLDER") != ""
    assert machine.run("cat /disk0/GOOD.TXT") == GOOD.decode().strip()


def test_a_root_directory_that_loops_ends(shell, fat_disk):
    disk = fat_disk({f"file number {n}.txt": GOOD for n in range(40)})
    volume = Volume(disk)
    chain = list(volume.chain(volume.root_cluster))
    volume.link(chain[-1], chain[0])
    volume.write()
    machine = shell(disks=[disk])
    machine.run("ls /")
    machine.run("ls /disk0")
    machine.run("cat '/disk0/file number 39.txt'")
    assert machine.run("echo still here") == "still here"


def test_what_is_no_program_is_refused_with_the_reason(shell, fat_disk):
    good = (BUILD / "archive" / "bin" / "true").read_bytes()
    headers_at = struct.unpack_from("<Q", good, 32)[0]
    header_count = struct.unpack_from("<H", good, 56)[0]
    loads = [headers_at + 56 * n for n in range(header_count)
             if struct.unpack_from("<I", good, headers_at + 56 * n)[0] == 1]

    def patched(at, form, value):
        content = bytearray(good)
        struct.pack_into(form, content, at, value)
        return bytes(content)

    bad = {
        "empty.elf": (b"", "not an ELF file"),
        "text.elf": (b"this is no program\n" * 10, "not an ELF file"),
        "script.elf": (b"#!/bin/sh\nexit 0\n", "not an ELF file"),
        "short.elf": (good[:40], "header is cut short"),
        "nohead.elf": (good[:headers_at + 20], "program headers"),
        "half.elf": (good[:len(good) // 2], "beyond the end of the file"),
        "class32.elf": (patched(4, "<B", 1), "not a 64-bit program"),
        "bigend.elf": (patched(5, "<B", 2), "big-endian"),
        "arm.elf": (patched(18, "<H", 183), "another kind of processor"),
        "fixed.elf": (patched(16, "<H", 2), "not a position-independent"),
        "wx.elf": (patched(loads[0] + 4, "<I", 7), "both writable and executable"),
        "kernel.elf": (patched(loads[-1] + 16, "<Q", 0xFFFF_FFFF_8000_0000), "too high in memory"),
        "huge.elf": (patched(loads[-1] + 40, "<Q", 1 << 60), "too high in memory"),
        "entry.elf": (patched(24, "<Q", 0x7FFF_0000), "entry point"),
        "many.elf": (patched(56, "<H", 0xFFFF), "program headers"),
    }
    machine = shell(disks=[fat_disk({"good.elf": good, **{name: content for name, (content, _) in bad.items()}})])
    assert machine.run("/disk0/good.elf") == ""
    for name, (_, why) in bad.items():
        seen = machine.run(f"/disk0/{name}")
        told = re.search(r"^shell: .*NOT_EXECUTABLE.*$", seen, re.MULTILINE)
        assert told and why in told[0], (name, seen)
        assert re.search(rf"task: .*{why}", seen), (name, seen)
        assert machine.run("echo $?") == "126", name
    assert machine.run("/disk0/good.elf; echo $?") == "0"


def test_none_and_many_arguments(shared_shell):
    assert shared_shell.run("echo") == ""
    words = " ".join(str(n % 10) for n in range(4096))
    assert shared_shell.run(f"echo {words}") == words
    assert "too many words" in shared_shell.run(f"echo {words} 1")
    assert shared_shell.run("echo " + "x" * 20000) == "x" * (12288 - 5)  # a line is that long at most


def test_several_lines_at_once_are_run_one_after_the_other(shared_shell):
    shared_shell.type("".join(f"echo {'line' * 20} {n}\r" for n in range(50)) + "echo the end\r")
    shared_shell.expect("\nthe end\n")
    shared_shell.wait_for_prompt()


@pytest.mark.parametrize("command", ["hog ring", "sleep 100", "cat", "cat /disk0/numbers/lines.txt", "crash stack"])
@pytest.mark.allow(r".")
def test_ctrl_c_during_anything_leads_back_to_the_prompt(shared_shell, command):
    shared_shell.type(command + "\r")
    shared_shell.expect(command + "\n")
    shared_shell.type("\x03")
    shared_shell.expect(re.compile(r"\^C\n(.*\n)*?peal:.*\$ "))  # it may also come when the program has ended
    shared_shell.type("echo 'all ' well\r")
    shared_shell.expect("\nall  well\n")
    shared_shell.wait_for_prompt()


def test_binary_files_do_not_end_the_shell(shared_shell):
    shared_shell.type("cat /boot/bin/true\r")
    shared_shell.expect("true\n")
    shared_shell.type("echo 'all ' well\r")
    shared_shell.expect("\nall  well\n")
    shared_shell.wait_for_prompt()
