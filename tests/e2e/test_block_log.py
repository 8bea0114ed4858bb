"""What the disk holds whenever the power fails, seen from outside the machine.

QEMU logs every write and flush of the disk while a person works at the prompt. Then the disk is made again as it would be
after a cut at each point of the log, with any part of what was not flushed yet. Of each such disk must be true: fsck.fat and a
reader made from the specification find no more than a power cut may leave; after the kernel's own recovery they find nothing;
and everything that was on the medium according to the system is there.

PEAL_CUTS says how many disks are looked at for each flush, PEAL_CUT_STEPS how many commands are typed.
"""
import os
import pathlib
import random
import re
import subprocess

import pytest
from block_log import Cuts, entries
from fat_reader import Volume
from machine import BUILD, ROOT

CUTS = int(os.environ.get("PEAL_CUTS", 6))
STEPS = int(os.environ.get("PEAL_CUT_STEPS", 40))
MIB = 1 << 20

# What fsck.fat may say of a disk that lost its power, and of no other. The mark that it is in use stands in the boot sector and
# its backup, byte 65, and is all in which they may differ.
HARMLESS = re.compile(r"""
    fsck\.fat\ 4 | Checking | Dirty\ bit\ is\ set | \s*Automatically\ removing\ dirty\ bit | Performing\ changes |
    Leaving\ filesystem\ unchanged | Reclaimed\ \d+\ unused\ cluster | Reclaiming\ unconnected\ clusters |
    FATs\ differ\ but\ appear\ to\ be\ intact | \s*Using\ first\ FAT | Free\ cluster\ summary\ (uninitialized|wrong) |
    \s*Auto-(setting|correcting) | .*:\ \d+\ files,\ \d+/\d+\ clusters | \s*File\ size\ is\ \d+\ bytes,\ cluster\ chain\ length\ is\ >\ |
    \s*Truncating\ file\ to |
    There\ are\ differences\ between\ boot\ sector\ and\ its\ backup | This\ is\ mostly\ harmless |
    \ \ 65:0[01]/0[01]$ | \s*Not\ automatically\ fixing\ this | Warning:\ Filesystem\ is\ FAT32 | \s*but\ has\ only\ \d+\ clusters | \s*This\ may\ lead\ to\ problems | ^/[^\n]*$ | ^$
""", re.VERBOSE)


class Person:
    """Types commands, and knows what must be on the disk from when on."""

    def __init__(self, machine, log, seed):
        self.machine, self.log, self.random = machine, log, random.Random(seed)
        self.now = {}     # path -> content, as the system shows it
        self.history = [{}]  # the same after each command
        self.notes = []   # (bytes of log behind a sync, how much history came before it)
        self.number = 0

    def do(self, command):
        text = self.machine.run(command)
        assert not re.search(r"\([A-Z_]+\)", text), f"{command}: {text}"

    def sync(self):
        self.do("sync")
        self.notes.append((self.log.stat().st_size, len(self.history)))

    def fresh(self):
        self.number += 1
        folder = self.random.choice(["", "/a", "/b", "/a/deep"])
        name = self.random.choice([f"F{self.number}", f"a rather long name, number {self.number}.text"])
        return f"{folder}/{name}"

    def words(self):
        self.number += 1
        return " ".join(f"word{self.number}" for _ in range(self.random.choice([1, 40, 300])))

    def step(self):
        files = sorted(self.now)
        what = self.random.choice(["write", "write", "append", "replace", "move", "move over", "remove", "copy", "sync", "sync"])
        if what == "sync":
            self.sync()
        elif what == "write" or len(files) < 3:
            path, words = self.fresh(), self.words()
            self.do(f"write '/disk0{path}' {words}")
            self.now[path] = words + "\n"
        elif what in ("append", "replace"):
            path, words = self.random.choice(files), self.words()
            self.do(f"write {'-a' if what == 'append' else ''} '/disk0{path}' {words}")
            self.now[path] = (self.now[path] if what == "append" else "") + words + "\n"
        elif what in ("move", "move over"):
            old = self.random.choice(files)
            new = self.fresh() if what == "move" else self.random.choice(files)
            if old != new:
                self.do(f"mv '/disk0{old}' '/disk0{new}'")
                self.now[new] = self.now.pop(old)
        elif what == "copy":
            old, new = self.random.choice(files), self.fresh()
            self.do(f"cp '/disk0{old}' '/disk0{new}'")
            self.now[new] = self.now[old]
        elif what == "remove":
            path = self.random.choice(files)
            self.do(f"rm '/disk0{path}'")
            del self.now[path]
        self.history.append(dict(self.now))


@pytest.fixture(scope="module")
def recover_image():
    subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={BUILD}", "recover-image"], check=True)
    return BUILD / "host" / "recover_image"


def fsck(path):
    said = subprocess.run(["/usr/sbin/fsck.fat", "-n", str(path)], capture_output=True, text=True)
    return [line for line in (said.stdout + said.stderr).splitlines() if not HARMLESS.match(line)]


class Judge:
    """Looks at one disk after another."""

    def __init__(self, person, recover_image, folder):
        self.person, self.tool, self.path = person, recover_image, folder / "cut.disk"
        self.count = 0

    def raw(self, image, where):
        for table in (0, 1):
            problems = Volume(image, table=table).problems
            assert not problems, f"{where}, table {table}: {problems}"
        self.path.write_bytes(image)
        assert not fsck(self.path), f"{where}: {fsck(self.path)}"

    def recovered(self, where):
        tool = subprocess.run([self.tool, self.path], capture_output=True, text=True)
        assert tool.returncode == 0, f"{where}: {tool.stdout}{tool.stderr}"
        volume = Volume(self.path.read_bytes())
        assert not volume.problems and not volume.leftovers, f"{where}, recovered: {volume.problems} {volume.leftovers}"
        return volume

    def facts(self, volume, durable, where):
        """Each file is as at the last sync that was over, or as it became later; and none is lost on its way to a new name."""
        begin = max((count for position, count in self.person.notes if position <= durable), default=1)
        base, later = self.person.history[begin - 1], self.person.history[begin:]
        found = {path: volume.content(path).decode() for path in volume.files}
        for path in {*base, *found, *(path for state in later for path in state)}:
            there, coming = found.get(path), [state.get(path) for state in later]
            is_partly = there is not None and any(content and content.startswith(there) for content in coming)
            assert there in (base.get(path), *coming) or is_partly, f"{where}: {path} is {there!r:.80}, was {base.get(path)!r:.80}"
        for path, content in base.items():
            is_kept = all(content in state.values() for state in later)
            assert not is_kept or content in found.values(), f"{where}: what was in {path} is nowhere"

    def judge(self, image, durable):
        self.count += 1
        where = f"cut {self.count}, behind byte {durable} of the log"
        self.raw(image, where)
        self.facts(self.recovered(where), durable, where)


def test_what_was_synced_survives_a_cut_at_any_point(shell, tmp_path, recover_image):
    disk, log = tmp_path / "logged.disk", tmp_path / "writes.log"
    disk.write_bytes(bytes(4 * MIB))
    log.write_bytes(b"")
    subprocess.run(["/usr/sbin/mkfs.vfat", "-F", "32", "-s", "1", "-n", "CUTS", disk], check=True, capture_output=True)
    before = bytearray(disk.read_bytes())
    machine = shell(extra=[
        "-drive", f"if=none,id=logged,driver=blklogwrites,file.driver=raw,file.file.driver=file,file.file.filename={disk},"
                  f"log.driver=file,log.filename={log}",
        "-device", "virtio-blk-pci,drive=logged,disable-legacy=on"])
    person = Person(machine, pathlib.Path(log), seed=int(os.environ.get("PEAL_CUT_SEED", 1)))
    person.do("mkdir /disk0/a /disk0/b /disk0/a/deep")
    person.sync()
    for _ in range(STEPS):
        person.step()
    person.sync()
    machine.process.kill()
    machine.process.wait()
    judge = Judge(person, recover_image, tmp_path)
    for durable in Cuts(before, entries(log), seed=1).states(CUTS):
        judge.judge(before, durable)
    print(f"{judge.count} cuts")
    assert judge.count > 20
