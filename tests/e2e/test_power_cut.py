"""Power cuts: QEMU is killed while fsstress works on a disk that is kept, at a moment chosen at random. What fsstress
had reported as durable must be there, the file system sound to strangers (fsck.fat, fat_reader), and after Peal has
had it once more, spotless.

PEAL_POWER_CUTS: how many (3). PEAL_POWER_CUT_SEED: which ones; the seed of a round that failed is in its message.
"""
import json
import os
import random
import re
import shutil
import subprocess
import time
import zlib

import pytest
from fat_reader import Volume, first_partition

CUTS = int(os.environ.get("PEAL_POWER_CUTS", 3))
SEED = int(os.environ.get("PEAL_POWER_CUT_SEED", random.SystemRandom().randrange(1_000_000)))
FOLDER = "/stress"

# What fsck.fat -n may say after a cut: each is what recovery, or any fsck, clears away without loss.
HARMLESS = re.compile(
    r"^(fsck\.fat .*|Dirty bit is set\. .*|\s*Automatically removing dirty bit\.|\s*Not automatically fixing this\."
    r"|FATs differ but appear to be intact\..*|\s*Using (first|second) FAT\.?|\s*Using first FAT"
    r"|Reclaimed \d+ unused clusters? .*|Free cluster summary (uninitialized|wrong).*|\s*Auto-(setting|correcting)\.?"
    r"|\s*Cluster chain length is > .*|\s*File size is \d+ bytes, cluster chain length is > \d+ bytes\."
    r"|\s*Truncating file to \d+ bytes\.|/\S.*|\s*Leaving filesystem unchanged\.|Leaving filesystem unchanged\."
    r"|.*: \d+ files, \d+/\d+ clusters|\s*)$")


class Claims:
    """What the lines of `fsstress -l` hold the file system to: path -> (names it may have, size, CRC)."""

    def __init__(self, text):
        self.files, self.synced = {}, 0
        for line in text.splitlines():
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
            there = {f"{FOLDER}/{name}" for name in names} & set(volume.files)
            if len(there) != 1:
                yield f"{names}: there are {sorted(there)}"
                continue
            content = volume.content(there.pop())
            if len(content) != size or zlib.crc32(content) != crc:
                yield f"{names}: {len(content)} bytes with CRC {zlib.crc32(content):08x}, not {size} with {crc:08x}"


def read_volume(disk):
    image = disk.read_bytes()
    return Volume(image, first_partition(image))


def fsck(disk, scratch):
    """(exit status, lines) of fsck.fat -n about the first partition."""
    image = disk.read_bytes()
    scratch.write_bytes(image[first_partition(image):])
    done = subprocess.run(["/usr/sbin/fsck.fat", "-n", scratch], capture_output=True, text=True, errors="replace",
                          env={"LC_ALL": "C.UTF-8"}, check=False)
    return done.returncode, done.stdout.splitlines() + done.stderr.splitlines()


def run_until_cut(shell, disk, chance):
    """Lets fsstress work for a while, then takes the power away. Returns what it had claimed."""
    machine = shell(disks=[disk], keep_disks=True)
    volumes = json.loads(machine.run("cat /proc/volumes"))["data"]["volumes"]
    if next(volume["is_read_only"] for volume in volumes if volume["name"] == "disk0"):
        pytest.skip("the volume is mounted for reading only")
    machine.run(f"mkdir /disk0{FOLDER}")
    seed = chance.randrange(1_000_000)
    machine.type(f"fsstress -l -k -s {seed} -t {chance.randint(1, 4)} -f 12 -b {chance.choice(['2k', '30k', '150k'])} "
                 f"-n 1000000 /disk0{FOLDER}\r")
    begin = machine.seen
    machine.expect("synced\t")
    time.sleep(chance.uniform(0, 5))
    machine.process.kill()
    machine.wait_for_end()
    return Claims(machine.received[begin:])


def recover(shell, disk):
    """Peal finds the disk as the cut left it, makes it whole and leaves it."""
    machine = shell(disks=[disk], keep_disks=True)
    listing = machine.run(f"ls /disk0{FOLDER}")
    assert "worker0" in listing, machine.received[-3000:]
    machine.type("poweroff\r")
    machine.wait_for_end()


@pytest.mark.parametrize("cut", range(CUTS))
def test_what_was_synced_survives_a_power_cut(shell, fat_disk, tmp_path, cut):
    chance = random.Random(SEED + cut)
    disk = fat_disk({}, sectors_per_cluster=chance.choice([1, 2, 8]))
    scratch = tmp_path / "volume"
    told = f"PEAL_POWER_CUT_SEED={SEED + cut}: "
    claims = run_until_cut(shell, disk, chance)
    shutil.copyfile(disk, tmp_path / "after_cut.disk")
    status, lines = fsck(disk, scratch)
    assert status in (0, 1) and not [line for line in lines if not HARMLESS.match(line)], told + "\n".join(lines)
    volume = read_volume(disk)
    assert not volume.problems, told + "\n".join(volume.problems)

    recover(shell, disk)
    status, lines = fsck(disk, scratch)
    assert status == 0, told + "\n".join(lines)
    volume = read_volume(disk)
    assert not volume.problems and not volume.leftovers, f"{told}{volume.problems} {volume.leftovers}"
    assert not list(claims.broken(volume)), told + "\n".join(claims.broken(volume))
    assert claims.synced > 0
    print(f"{told}{claims.synced} syncs, {len(claims.files)} files checked")
