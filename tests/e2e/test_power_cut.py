"""Power cuts: QEMU is killed while fsstress works on a disk that is kept, at a moment chosen at random. What fsstress
had reported as durable must be there, the file system sound to strangers (fsck.fat, fat_reader), and after Peal has
had it once more, spotless. Then the work goes on, on the same disk, until the next cut.

QEMU stopped like this loses nothing that the guest wrote: of writes that were not flushed, test_block_log.py takes away.

PEAL_POWER_CUTS: how many (3). PEAL_POWER_CUT_SEED: which ones; the seed of a cut that failed is in its message.
"""
import json
import os
import random
import re
import subprocess
import time
import zlib

import pytest
from fat_reader import Volume, first_partition

CUTS = int(os.environ.get("PEAL_POWER_CUTS", 3))
SEED = int(os.environ.get("PEAL_POWER_CUT_SEED", random.SystemRandom().randrange(1_000_000)))
CUTS_PER_DISK = 12
FOLDERS_MAX = 3  # so many cuts are remembered; then there has to be room again

# What fsck.fat -n may say after a cut: each is what recovery, or any fsck, clears away without loss.
HARMLESS = re.compile(
    r"^(fsck\.fat .*|Dirty bit is set\. .*|\s*Automatically removing dirty bit\.|\s*Not automatically fixing this\."
    r"|FATs differ but appear to be intact\..*|\s*Using (first|second) FAT\.?|\s*Using first FAT"
    r"|Reclaimed \d+ unused clusters? .*|Free cluster summary (uninitialized|wrong).*|\s*Auto-(setting|correcting)\.?"
    r"|\s*Cluster chain length is > .*|\s*File size is \d+ bytes, cluster chain length is > \d+ bytes\."
    r"|\s*Truncating file to \d+ bytes\.|/\S.*|\s*Leaving filesystem unchanged\.|Leaving filesystem unchanged\."
    r"|.*: \d+ files, \d+/\d+ clusters|\s*)$")


class Claims:
    """What the lines of `fsstress -l` in one folder hold the file system to: path -> (names it may have, size, CRC)."""

    def __init__(self, folder, text):
        self.folder, self.files, self.synced = folder, {}, 0
        for line in text.split("\n")[:-1]:  # the last one was cut off
            words = line.split("\t")
            if words[0] == "synced" and len(words) == 4 and re.fullmatch("[0-9a-f]{8}", words[3]):
                self.files[words[1]] = ([words[1]], int(words[2]), int(words[3], 16))
                self.synced += 1
            elif words[0] == "moves" and len(words) == 3 and words[1] in self.files:
                names, size, crc = self.files.pop(words[1])
                self.files[words[2]] = (names + [words[2]], size, crc)
            elif words[0] == "changes" and len(words) == 2:
                self.files.pop(words[1], None)

    def broken(self, volume):
        """Sentences about each claim that the volume does not keep."""
        for names, size, crc in self.files.values():
            there = {f"/{self.folder}/{name}" for name in names} & set(volume.files)
            if len(there) != 1:
                yield f"{names}: there are {sorted(there)}"
                continue
            content = volume.content(there.pop())
            if len(content) != size or zlib.crc32(content) != crc:
                yield f"{names}: {len(content)} bytes with CRC {zlib.crc32(content):08x}, not {size} with {crc:08x}"


class Firmware:
    """The machine as it is when the firmware has ended and the loader begins: from there each boot takes a second. No disk
    but the boot disk was read by then."""

    def __init__(self, boot, disk, path):
        self.path = path
        machine = boot(disks=[disk], keep_disks=True, qmp=True)
        machine.expect("boot: Peal")
        machine.ask("stop")
        machine.ask("migrate", uri=f"exec:cat > '{path}'")
        while (status := machine.ask("query-migrate")["status"]) != "completed":
            assert status != "failed"
            time.sleep(0.02)
        machine.__exit__()

    def go_on(self, boot, disk):
        machine = boot(disks=[disk], keep_disks=True, qmp=True, extra=["-incoming", f"exec:cat '{self.path}'"])
        while machine.ask("query-status")["status"] == "inmigrate":
            time.sleep(0.02)
        machine.ask("cont")
        return machine


class Disk:
    """One disk that is cut off again and again."""

    def __init__(self, boot, disk, scratch, chance):
        self.boot, self.path, self.scratch, self.chance = boot, disk, scratch, chance
        self.firmware = Firmware(boot, disk, scratch / "firmware")
        self.folders = 0
        self.claims = []  # of the folders that are there
        self.kept = 0

    def _look(self):
        """(exit status and lines of fsck.fat -n, what fat_reader sees of each table)."""
        image = self.path.read_bytes()
        start = first_partition(image)
        copy = self.scratch / "volume"
        copy.write_bytes(image[start:])
        done = subprocess.run(["/usr/sbin/fsck.fat", "-n", copy], capture_output=True, text=True, errors="replace",
                              env={"LC_ALL": "C.UTF-8"}, check=False)
        lines = done.stdout.splitlines() + done.stderr.splitlines()
        return done.returncode, lines, [Volume(image, start, table) for table in (0, 1)]

    def expect_sound(self):
        """As the cut left it: what any fsck puts right without loss, and no more."""
        status, lines, volumes = self._look()
        assert status in (0, 1) and not [line for line in lines if not HARMLESS.match(line)], "\n".join(lines)
        for volume in volumes:
            assert not volume.problems, "\n".join(volume.problems)

    def expect_spotless(self):
        """After the recovery: nothing to find, and all that was claimed."""
        status, lines, volumes = self._look()
        assert status == 0, "\n".join(lines)
        for volume in volumes:
            assert not volume.problems and not volume.leftovers, f"{volume.problems} {volume.leftovers}"
        broken = [sentence for claims in self.claims for sentence in claims.broken(volumes[0])]
        assert not broken, "\n".join(broken)
        self.kept += sum(len(claims.files) for claims in self.claims)

    def start(self):
        """Peal finds the disk as it is, and makes it whole before its first prompt."""
        machine = self.firmware.go_on(self.boot, self.path)
        machine.wait_for_prompt()
        volumes = json.loads(machine.run("cat /proc/volumes"))["data"]["volumes"]
        assert not next(volume["is_read_only"] for volume in volumes if volume["name"] == "disk0"), machine.received[-3000:]
        self.expect_spotless()
        return machine

    def cut(self):
        """Recovers from the cut before, works for a while, loses its power."""
        if self.claims and self.chance.random() < 0.2:
            machine = self.firmware.go_on(self.boot, self.path)
            machine.expect("pci: ")
            self._kill(machine, self.chance.uniform(0, 0.3))  # while it recovers, perhaps
            self.expect_sound()
        machine = self.start()
        self._make_room(machine)
        self.folders += 1
        folder = f"stress{self.folders}"
        machine.run(f"mkdir /disk0/{folder}")
        machine.type(f"fsstress -l -k -s {self.chance.randrange(1_000_000)} -t {self.chance.randint(1, 4)} -f 12 "
                     f"-b {self.chance.choice(['2k', '30k', '150k'])} -n 1000000 /disk0/{folder}\r")
        begin = machine.seen
        machine.expect("synced\t")
        self._kill(machine, self.chance.uniform(0, 2))
        self.claims.append(Claims(folder, machine.received[begin:]))
        self.expect_sound()

    def _make_room(self, machine):
        if len(self.claims) == FOLDERS_MAX or self.chance.random() < 0.3:
            while self.claims:
                folder = self.claims.pop().folder
                assert "(" not in (said := machine.run(f"rm -r /disk0/{folder}")), said

    @staticmethod
    def _kill(machine, seconds):
        time.sleep(seconds)
        machine.process.kill()
        machine.wait_for_end()


def parts(total, most):
    return [min(most, total - begin) for begin in range(0, total, most)]


@pytest.mark.parametrize("number, cuts", enumerate(parts(CUTS, CUTS_PER_DISK)))
def test_what_was_synced_survives_power_cuts(boot, fat_disk, tmp_path, number, cuts):
    chance = random.Random(SEED + number)
    print(f"PEAL_POWER_CUTS={cuts} PEAL_POWER_CUT_SEED={SEED + number}")
    disk = Disk(boot, fat_disk({}, sectors_per_cluster=chance.choice([1, 1, 2, 4])), tmp_path, chance)
    for _ in range(cuts):
        disk.cut()
    machine = disk.start()
    machine.type("poweroff\r")
    machine.wait_for_end()
    disk.expect_spotless()
    synced = sum(claims.synced for claims in disk.claims)
    assert synced > 0
    print(f"{cuts} cuts: {disk.kept} files were there; of the last folders {synced} syncs")
