"""The booted system, driven from its shell: what works, and what is said when something does not."""
import hashlib
import os
import re
import subprocess

import pytest
from machine import BUILD, ROOT


@pytest.fixture
def shell(boot):
    def start(**options):
        machine = boot(**options)
        machine.wait_for_prompt()
        return machine

    return start


@pytest.fixture
def sample():
    return BUILD / "sample.disk"


def test_it_boots_to_a_prompt_and_help_says_what_there_is(shell):
    text = shell().run("help")
    for word in ("ls", "cat", "poweroff", "help", "/boot"):
        assert word in text


def test_files_made_by_standard_tools_are_listed_and_read(shell, fat_disk):
    lines = "".join(f"line {n}\n" for n in range(500))
    disk = fat_disk({
        "SHORT.TXT": b"short name\n",
        "A long name with blanks.text": b"long name\n",
        "folder/inner/deep file.txt": b"deep\n",
        "Größe.txt": "äöü ß\n".encode(),
        "lines.txt": lines.encode(),
    })
    machine = shell(disks=[disk])
    listing = machine.run("ls /disk0")
    for name in ("SHORT.TXT", "A long name with blanks.text", "folder", "Größe.txt", "lines.txt"):
        assert name.lower() in listing.lower()
    assert machine.run("cat /disk0/SHORT.TXT") == "short name"
    assert machine.run("cat '/disk0/A long name with blanks.text'") == "long name"
    assert machine.run("cat '/disk0/folder/inner/deep file.txt'") == "deep"
    assert machine.run("cat /disk0/short.txt") == "short name"
    assert machine.run("cat /disk0/Größe.txt") == "äöü ß"
    assert machine.run("cat /disk0/lines.txt") == lines.rstrip("\n")


@pytest.mark.parametrize("sectors_per_cluster", [1, 8])
def test_a_long_file_arrives_whole(shell, fat_disk, sectors_per_cluster):
    content = "".join(f"{n:07d}\n" for n in range(20000))
    machine = shell(disks=[fat_disk({"long.txt": content.encode()}, sectors_per_cluster=sectors_per_cluster)])
    seen = machine.run("cat /disk0/long.txt")
    assert hashlib.sha256(seen.encode()).hexdigest() == hashlib.sha256(content.rstrip("\n").encode()).hexdigest()


def test_a_name_of_255_characters_is_listed_and_opened(shell, fat_disk):
    name = "n" * 251 + ".txt"
    machine = shell(disks=[fat_disk({name: b"found\n"})])
    assert name in machine.run("ls /disk0").replace("\n", "")
    assert machine.run("cat /disk0/nnn" + "n" * 248 + ".txt").endswith("found")


def test_two_disks_appear_beside_each_other(shell, fat_disk):
    first = fat_disk({"one.txt": b"1\n"}, name="first.disk")
    second = fat_disk({"two.txt": b"2\n"}, name="second.disk")
    machine = shell(disks=[first, second])
    assert machine.run("cat /disk0/one.txt") == "1"
    assert machine.run("cat /disk1/two.txt") == "2"


def test_wrong_commands_are_answered_and_the_shell_goes_on(shell, sample):
    machine = shell(disks=[sample])
    assert "no such command" in machine.run("nonsense")
    assert machine.run("cat /disk0/absent.txt") != ""
    assert machine.run("cat /disk0") != ""
    assert machine.run("cd /nowhere") != ""
    assert machine.run("echo 'unfinished") != ""
    assert machine.run("/disk0/README.TXT") != ""  # not a program
    assert machine.run("echo still here") == "still here"


def test_ctrl_c_ends_the_running_program_only(shell):
    machine = shell()
    machine.type("cat\r")  # waits for input that never comes
    machine.expect("cat\n")
    machine.type("\x03")
    machine.wait_for_prompt()
    assert machine.run("echo still here") == "still here"


def test_ctrl_c_at_the_prompt_drops_the_line(shell):
    machine = shell()
    machine.type("this is not run\x03")
    machine.expect("^C")
    machine.wait_for_prompt()
    assert machine.run("echo fresh") == "fresh"


def test_the_shell_is_started_again_when_it_ends(shell):
    machine = shell()
    machine.type("exit\r")
    machine.expect("exit\n")
    machine.wait_for_prompt()
    assert machine.run("echo again") == "again"


def test_exit_codes_are_kept(shell):
    machine = shell()
    machine.run("true")
    assert machine.run("echo $?") == "0"
    machine.run("false")
    assert machine.run("echo $?") == "1"


def test_no_handle_and_no_memory_is_lost_over_many_programs(shell):
    machine = shell()
    for _ in range(3):
        machine.run("ls /boot/bin")
    before = machine.run("free")
    for _ in range(10):
        machine.run("ls /boot/bin")
    after = machine.run("free")

    for word in ("processes", "threads", "handles", "objects"):
        count = re.compile(rf"(\d+) {word}")
        assert count.search(after)[1] == count.search(before)[1], (before, after)


CRASHES = ("null", "kernel", "constant", "code", "data", "stack", "unmapped", "noncanonical", "divide",
           "invalid", "privileged", "port", "breakpoint", "abort", "protector")


def test_a_program_that_faults_dies_alone_and_the_shell_says_why(shell):
    machine = shell(allow=[r"."])  # every line here is about a fault; the prompt shows that all is well
    for kind in CRASHES:
        assert "crash died: " in machine.run(f"crash {kind}"), kind
    assert machine.run("echo still here") == "still here"


@pytest.mark.parametrize("what", ["memory", "handles", "ring", "threads"])
def test_a_program_that_takes_all_it_gets_hurts_only_itself(shell, what):
    machine = shell(allow=[r"."])
    assert machine.run(f"hog {what}") != ""
    assert machine.run("echo still here") == "still here"


def test_a_panic_names_its_cause_and_symbols(boot):
    machine = boot(allow=[r"."], append="panic=test")
    machine.expect("panic: ")
    machine.expect(re.compile(r"deliberate_panic\+0x"))
    machine.expect("the machine has stopped")


def test_it_boots_without_a_screen(shell):
    assert shell(extra=["-vga", "none"]).run("echo ready") == "ready"


def test_poweroff_ends_the_machine(shell):
    machine = shell()
    machine.type("poweroff\r")
    assert machine.wait_for_end() == 0


def test_reboot_comes_back_to_a_prompt(shell):
    machine = shell(keep_rebooting=True)
    machine.type("reboot\r")
    machine.expect("reboot\n")
    machine.wait_for_prompt()
    assert machine.run("echo back") == "back"


def test_without_a_disk_there_are_the_boot_archive_and_the_boot_volume(shell):
    machine = shell()
    listing = machine.run("ls /")
    assert "boot" in listing and "disk0" in listing and "disk1" not in listing
    assert "kernel" in machine.run("ls /disk0/peal")


@pytest.mark.parametrize("keep_bytes", [0, 512, 34 * 512, (1 << 20) + 512, (1 << 20) + 700 * 512])
def test_a_truncated_disk_is_survived(shell, sample, tmp_path, keep_bytes):
    disk = tmp_path / "truncated.disk"
    content = sample.read_bytes()[:keep_bytes]
    disk.write_bytes(content or b"\0" * 512)
    machine = shell(disks=[disk])
    machine.run("ls /")
    machine.run("ls /disk0")
    machine.run("cat /disk0/numbers/lines.txt")
    assert machine.run("echo still here") == "still here"


def test_a_disk_without_fat32_is_survived(shell, tmp_path):
    disk = tmp_path / "other.disk"
    disk.write_bytes(bytes(range(256)) * 4096)
    machine = shell(disks=[disk])
    assert "disk1" not in machine.run("ls /")  # disk0 is the boot volume


def test_loops_in_cluster_chains_end(shell, fat_disk):
    disk = fat_disk({"loop.txt": b"x" * 5000})
    content = bytearray(disk.read_bytes())
    start = 2048 * 512
    reserved = int.from_bytes(content[start + 14:start + 16], "little")
    first_fat = start + reserved * 512
    per_fat = int.from_bytes(content[start + 36:start + 40], "little")
    for fat in range(content[start + 16]):
        for cluster in range(3, 40):  # every chain leads back to its beginning
            at = first_fat + fat * per_fat * 512 + cluster * 4
            if int.from_bytes(content[at:at + 4], "little") & 0x0FFFFFFF:
                content[at:at + 4] = (3).to_bytes(4, "little")
    disk.write_bytes(content)
    machine = shell(disks=[disk])
    machine.run("cat /disk0/loop.txt")
    machine.run("ls /disk0")
    assert machine.run("echo still here") == "still here"


@pytest.mark.parametrize("cpus", [1, 16])
def test_few_and_many_processors(shell, cpus):
    machine = shell(cpus=cpus)
    assert machine.run("echo ready") == "ready"
    assert machine.run("ls /boot/bin") != ""


def test_64_mib_are_enough(shell, sample):
    machine = shell(memory="64M", disks=[sample])
    assert machine.run("cat /disk0/numbers/lines.txt").endswith("48895")


def test_more_than_4_gib_are_fine(shell):
    assert shell(memory="5G").run("echo ready") == "ready"


def test_the_screen_shows_the_shell(shell, tmp_path):
    machine = shell(qmp=True)
    machine.run("help")
    machine.screenshot(tmp_path / "screen.png")
    assert (tmp_path / "screen.png").stat().st_size > 5000  # a black screen is far smaller


def test_two_builds_give_the_same_bytes(tmp_path):
    def checksums(folder):
        subprocess.run(["make", "-s", f"-j{os.cpu_count()}", f"BUILD={folder}", "image", "disk"], check=True, cwd=ROOT)
        return [hashlib.sha256((folder / name).read_bytes()).hexdigest()
                for name in ("peal-release.image", "sample.disk")]

    assert checksums(tmp_path / "one") == checksums(tmp_path / "two")
