"""Disks that go back and forth: what Peal writes, fsck.fat, mtools and a strict reader find in order, byte for byte; and
what mtools write, Peal finds."""
import os
import subprocess

from fat_reader import Volume, first_partition

VOLUME_OFFSET = 2048 * 512  # where fat_disk puts the partition
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8"}
LONG_NAME = "a name that takes many entries of thirteen characters each " * 4 + "end"


def mtools(disk, command, *arguments):
    done = subprocess.run([command, "-i", f"{disk}@@{VOLUME_OFFSET}", *map(str, arguments)], capture_output=True,
                          env=ENVIRONMENT, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, f"{command} {arguments}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def check_disk(disk, tmp_path):
    """What fsck.fat and the strict reader find is nothing; the volume, as the latter read it."""
    image = disk.read_bytes()
    scratch = tmp_path / "volume"
    scratch.write_bytes(image[first_partition(image):])
    done = subprocess.run(["fsck.fat", "-n", scratch], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    lines = done.stdout.splitlines() + done.stderr.splitlines()
    # Its own name, and the count at the end.
    said = [line for line in lines if not line.startswith("fsck.fat ") and not line.endswith(" clusters")]
    assert done.returncode == 0 and not said, "\n".join(lines)
    volume = Volume(image, first_partition(image))
    assert not volume.problems and not volume.leftovers, f"{volume.problems} {volume.leftovers}"
    return volume


def check_contents(disk, volume, wanted):
    """The volume has exactly these files, for the strict reader and for mtools, which know no character above U+FFFF."""
    assert sorted(volume.files) == sorted(wanted)
    for path, content in wanted.items():
        assert volume.content(path) == content, f"{path}: {len(volume.content(path))} bytes, not {len(content)}"
        if max(path) <= "\uffff":
            assert mtools(disk, "mtype", f"::{path}") == content, path


def power_off(machine):
    machine.type("poweroff\r")
    machine.wait_for_end()


def run_quietly(machine, commands):
    for command in commands:
        assert machine.run(command) == "", command


def test_what_is_written_is_read_by_others(shell, fat_disk, tmp_path):
    big = os.urandom(700_001)
    disk = fat_disk({"source/big.bin": big, "source/deep/er/small.txt": b"small\n", "source/empty": b"",
                     "source/Grüße.txt": "ä€鐘\n".encode(), "gone.bin": big, "gone/with/all": big,
                     "cut.bin": big, "KEEP.TXT": b"keep\n", "over.txt": b"to be replaced\n" * 1000})
    machine = shell(disks=[disk], keep_disks=True)
    run_quietly(machine, [
        "cd /disk0",
        "cp -r source copy",
        "mkdir made made/inside",
        "write made/one.txt first line",
        "write -a made/one.txt second line",
        f"write 'made/{LONG_NAME}' long",
        "write 'made/Ünïcödé 鐘 𝄞.txt' wide",
        "write made/lower.txt lower",
        "write made/UPPER.TXT upper",
        "write made/Mixed.Txt mixed",
        "mv copy/big.bin made/inside/moved.bin",
        "mv copy/deep moved",
        "mv KEEP.TXT Keep.txt",
        "write new.txt replaces",
        "mv new.txt over.txt",
        "write cut.bin short",
        "rm gone.bin",
        "rm -r gone",
        "mkdir removed",
        "rmdir removed",
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do write \"made/file number $i\" $i; done",
        "for i in 1 2 3 5 6 7 9 10 11 13 14 15 17 18 19; do rm \"made/file number $i\"; done",
    ])
    power_off(machine)
    wanted = {
        "/source/big.bin": big, "/source/deep/er/small.txt": b"small\n", "/source/empty": b"",
        "/source/Grüße.txt": "ä€鐘\n".encode(), "/copy/empty": b"", "/copy/Grüße.txt": "ä€鐘\n".encode(),
        "/moved/er/small.txt": b"small\n", "/made/inside/moved.bin": big, "/made/one.txt": b"first line\nsecond line\n",
        f"/made/{LONG_NAME}": b"long\n", "/made/Ünïcödé 鐘 𝄞.txt": b"wide\n", "/made/lower.txt": b"lower\n",
        "/made/UPPER.TXT": b"upper\n", "/made/Mixed.Txt": b"mixed\n", "/Keep.txt": b"keep\n", "/over.txt": b"replaces\n",
        "/cut.bin": b"short\n",
    } | {f"/made/file number {i}": f"{i}\n".encode() for i in (4, 8, 12, 16, 20)}
    volume = check_disk(disk, tmp_path)
    check_contents(disk, volume, wanted)
    assert set(volume.folders) == {"/", "/source", "/source/deep", "/source/deep/er", "/copy", "/moved", "/moved/er",
                                   "/made", "/made/inside"}


def test_what_others_change_is_seen(shell, fat_disk, tmp_path):
    """Peal, mtools, Peal, mtools: each changes what the other left."""
    first = os.urandom(300_000)
    disk = fat_disk({"mine.bin": first, "folder/there.txt": b"there\n"}, sectors_per_cluster=4)
    machine = shell(disks=[disk], keep_disks=True)
    run_quietly(machine, ["cp -r /disk0/folder /disk0/twin", "write /disk0/twin/peal.txt from Peal", "rm /disk0/mine.bin"])
    power_off(machine)
    check_disk(disk, tmp_path)

    second, source = os.urandom(410_000), tmp_path / "source"
    source.write_bytes(second)
    mtools(disk, "mcopy", source, "::twin/a long name of mtools.bin")
    mtools(disk, "mdel", "::folder/there.txt")
    mtools(disk, "mren", "::twin/peal.txt", "::twin/renamed by others.txt")
    mtools(disk, "mmd", "::others")
    mtools(disk, "mrd", "::folder")
    check_disk(disk, tmp_path)

    machine = shell(disks=[disk], keep_disks=True)
    assert machine.run("find /disk0").split("\n") and "/disk0/folder" not in machine.run("find /disk0")
    assert machine.run("cat '/disk0/twin/renamed by others.txt'") == "from Peal"
    assert machine.run("wc '/disk0/twin/a long name of mtools.bin'").split()[2] == "410000"
    run_quietly(machine, ["mv '/disk0/twin/a long name of mtools.bin' /disk0/others/back", "rm /disk0/twin/there.txt",
                          "write -a '/disk0/twin/renamed by others.txt' and again"])
    power_off(machine)
    check_contents(disk, check_disk(disk, tmp_path), {
        "/others/back": second, "/twin/renamed by others.txt": b"from Peal\nand again\n"})


def test_free_space_is_what_others_count(shell, fat_disk, tmp_path):
    """After filling the disk and making room again, Peal says what mtools and the table say."""
    disk = fat_disk({"some.bin": os.urandom(5_000_000)})
    machine = shell(disks=[disk], keep_disks=True)
    run_quietly(machine, ["cd /disk0"])
    full = machine.run("while cat some.bin >> big; do true; done")
    assert "NO_SPACE" in full or "full" in full
    run_quietly(machine, ["rm some.bin", "mkdir d", "write d/x after", "sync"])
    power_off(machine)
    volume = check_disk(disk, tmp_path)
    assert set(volume.files) == {"/big", "/d/x"}
    assert volume.content("/d/x") == b"after\n"
