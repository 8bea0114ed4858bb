"""The booted system, driven from its shell: what works, and what is said when something does not."""
import hashlib
import os
import re
import shutil
import subprocess

import pytest
from machine import BUILD, ROOT


@pytest.fixture
def sample():
    return BUILD / "sample.disk"


def test_it_boots_to_a_prompt_and_help_says_what_there_is(shared_shell):
    text = shared_shell.run("help")
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


def test_wrong_commands_are_answered_and_the_shell_goes_on(shared_shell):
    machine = shared_shell
    assert "no such command" in machine.run("nonsense")
    assert machine.run("cat /disk0/absent.txt") != ""
    assert machine.run("cat /disk0") != ""
    assert machine.run("cd /nowhere") != ""
    assert machine.run("echo 'unfinished") != ""
    assert machine.run("/disk0/README.TXT") != ""  # not a program
    assert machine.run("echo still here") == "still here"


def test_ctrl_c_ends_the_running_program_only(shared_shell):
    machine = shared_shell
    machine.type("cat\r")  # waits for input that never comes
    machine.expect("cat\n")
    machine.type("\x03")
    machine.wait_for_prompt()
    assert machine.run("echo still here") == "still here"


def test_ctrl_c_at_the_prompt_drops_the_line(shared_shell):
    machine = shared_shell
    machine.type("this is not run\x03")
    machine.expect("^C")
    machine.wait_for_prompt()
    assert machine.run("echo fresh") == "fresh"


def test_the_shell_is_started_again_when_it_is_ended_from_outside(shared_shell):
    machine = shared_shell
    number = re.search(r"(\d+) .* shell$", machine.run("ps"), re.MULTILINE)[1]
    assert "The shell died: was ended from outside" in machine.run(f"kill {number}")
    assert machine.run("echo again") == "again"


def test_the_shell_is_started_again_when_it_ends(shared_shell):
    machine = shared_shell
    machine.type("exit\r")
    machine.expect("exit\n")
    machine.wait_for_prompt()
    assert machine.run("echo again") == "again"


def test_exit_codes_are_kept(shared_shell):
    machine = shared_shell
    machine.run("true")
    assert machine.run("echo $?") == "0"
    machine.run("false")
    assert machine.run("echo $?") == "1"


def test_no_handle_and_no_memory_is_lost_over_many_programs(shared_shell):
    machine = shared_shell
    for _ in range(3):
        machine.run("ls /boot/bin")
    before = machine.run("free")
    for _ in range(10):
        machine.run("ls /boot/bin")
    after = machine.run("free")

    for word in ("processes", "handles", "objects"):  # the kernel's workers come and go, and may still clean up at first
        count = re.compile(rf"(\d+) {word}")
        assert int(count.search(after)[1]) <= int(count.search(before)[1]), (before, after)


CRASHES = {
    "null": "page fault reading address 0x0 ",
    "kernel": "page fault writing address 0xffffffff80000000 ",
    "constant": "page fault writing",
    "code": "page fault writing",
    "data": "page fault executing",
    "stack": "page fault writing",
    "unmapped": "page fault writing",
    "noncanonical": "general protection fault",
    "divide": "divided by zero",
    "invalid": "invalid instruction",
    "privileged": "general protection fault",
    "port": "general protection fault",
    "breakpoint": "breakpoint",
    "abort": "invalid instruction",
    "protector": "invalid instruction",
}


def test_tab_completes_a_name_with_blanks_so_that_it_is_one_word(shared_shell):
    shared_shell.type("ls /disk0/documents/A\t\r")
    shared_shell.expect("text \n/disk0/documents/A file with a long name, and some punctuation.text\n")
    shared_shell.wait_for_prompt()


@pytest.mark.allow(r".")  # every line here is about a fault; the prompt shows that all is well
def test_a_program_that_faults_dies_alone_and_the_shell_says_why(shared_shell):
    machine = shared_shell
    for kind, why in CRASHES.items():
        seen = machine.run(f"crash {kind}")
        assert re.search(f"shell: crash died: .*{why}", seen), (kind, seen)
    assert machine.run("echo still here") == "still here"


@pytest.mark.parametrize("what, end", [
    ("memory", "hog died: "), ("handles", "QUOTA_EXCEEDED"), ("ring", "QUEUE_FULL"), ("threads", "QUOTA_EXCEEDED")])
@pytest.mark.allow(r".")
def test_a_program_that_takes_all_it_gets_hurts_only_itself(shared_shell, what, end):
    machine = shared_shell
    assert end in machine.run(f"hog {what}")
    assert machine.run("echo still here") == "still here"


@pytest.mark.allow(r".")
def test_a_program_that_dies_leaves_its_last_operations_in_the_log(shared_shell):
    seen = shared_shell.run("crash unmapped")
    assert re.search(r"trace: the last operations of crash \(process \d+\), thread \d+:", seen), seen
    assert re.search(r"trace: +#\d+ buffer_create", seen), seen


def test_trace_shows_what_a_command_asks_for_and_is_answered(shared_shell):
    seen = shared_shell.run("trace echo hello")
    assert "hello\n" in seen
    assert re.search(r"\d+\.\d{6} +\d+ write [a-z_/]+ in slot \d+, 6 bytes at its position.*: 6 bytes written", seen)
    assert seen.endswith("--- it ended with code 0")
    seen = shared_shell.run("trace cat /nothing")
    assert re.search(r"open [a-z/]+ in slot \d+, 7 bytes .*: NOT_FOUND", seen), seen
    assert seen.endswith("--- it ended with code 1")
    assert shared_shell.run("echo $?") == "1"
    assert "NOT_FOUND" in shared_shell.run("trace nothing-of-that-name")


def test_trace_counts_instead_when_asked_to(shared_shell):
    seen = shared_shell.run("trace -c ls /boot")
    table = seen[seen.index("     COUNT     FAILED  OPERATION"):]
    assert re.search(r"^ +\d+ +0  enumerate$", table, re.MULTILINE), seen
    assert re.search(r"^ +1 +0  write$", table, re.MULTILINE), seen


def test_trace_follows_a_program_by_its_number_until_it_ends(shared_shell):
    assert "NOT_FOUND" in shared_shell.run("trace 999999")
    shared_shell.type("trace 1\r")
    shared_shell.expect(re.compile(r"process_wait [a-z/]+ in slot \d+.*: under way"))  # init waits for its shell
    shared_shell.type("\x03")
    shared_shell.wait_for_prompt()


PANIC_STATUS = 71  # tools/run_qemu: 2 * 35 + 1


@pytest.mark.parametrize("kind, cause", [
    ("test", "asked for on the command line"), ("assert", "assertion"), ("read", "read of 0xdead0000"),
    ("write", "page fault in the kernel"), ("execute", "page fault in the kernel"), ("overflow", "double fault"),
    ("smash", "a stack buffer has overflowed"), ("undefined", "trap 6")])
def test_a_panic_names_its_cause_and_symbols(boot, kind, cause):
    machine = boot(allow=[r"."], append=f"run=nothing panic={kind}")
    machine.expect("panic: ")
    machine.expect(re.compile(r"#\d+ +0x[0-9a-f]+ [a-z_]+\+0x"))
    assert machine.wait_for_end() == PANIC_STATUS
    told = machine.received[machine.received.index("panic: "):]
    assert cause in told
    assert re.search(r"kernel at 0x[0-9a-f]+, thread boot ", told)  # it runs before any program does


def test_a_panic_is_on_the_screen_and_stays_there(boot, tmp_path):
    machine = boot(allow=[r"."], append="panic=test", qmp=True)
    machine.expect("the machine has stopped")
    machine.screenshot(tmp_path / "panic.ppm", "ppm")
    pixels = (tmp_path / "panic.ppm").read_bytes()[-1280 * 800 * 3:]
    rows = [any(pixels[row * 3840:(row + 1) * 3840]) for row in range(800)]
    assert any(rows[16:160]) and not any(rows[400:])  # text from the top, and nothing of the firmware's


def test_the_self_tests_of_the_kernel_pass(shell):
    assert "selftest: all passed" in shell(append="selftest").received


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
    assert machine.run("ls /") == "boot/\ndev/\nesp/\nproc/"
    assert "kernel" in machine.run("ls /esp/peal")


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


def test_the_screen_shows_the_shell(shared_shell, tmp_path):
    machine = shared_shell
    machine.run("help")
    machine.screenshot(tmp_path / "screen.png")
    assert (tmp_path / "screen.png").stat().st_size > 5000  # a black screen is far smaller


def test_another_build_of_the_same_sources_gives_the_same_bytes(tmp_path):
    def build(sources, folder):
        subprocess.run(["make", "-s", f"-j{os.cpu_count()}", f"BUILD={folder}", "image", "disk"], check=True, cwd=sources)
        return [hashlib.sha256((folder / name).read_bytes()).hexdigest()
                for name in ("peal-release.image", "sample.disk")]

    shutil.copytree(ROOT, tmp_path / "sources", ignore=shutil.ignore_patterns(".git", BUILD.name))
    assert build(ROOT, BUILD) == build(tmp_path / "sources", tmp_path / "build")


def test_why_tells_how_a_handle_came_to_be_and_where_rights_were_lost(shared_shell):
    lines = shared_shell.run("with root:look_up+read+close,stdout,stderr,system why root").splitlines()
    assert re.match(r"root: directory, object \d+, read,", lines[0]), lines[0]
    granted = lines[1]
    assert "granted to a new process by shell (" in granted and "held by why (" in granted, granted
    assert re.search(r"lost .*dup,.*enumerate", granted), granted
    assert "given out with the object" in lines[-1] and "step 0" in lines[-1], lines[-1]
    steps = [int(re.search(r"step (\d+)", line)[1]) for line in lines[1:]]
    assert steps == sorted(steps, reverse=True) and steps[-1] == 0
    # What a refusal says agrees with it.
    refusal = shared_shell.run("with root:look_up+read+close,cwd:look_up+read+close,stdout,stderr ls /")
    assert f"lost at step {steps[0]} " in refusal and "dup" in refusal, refusal
    assert "no handle named 'nothing'" in shared_shell.run("why nothing")


def test_reach_lists_who_can_reach_an_object_through_whom(shared_shell):
    text = shared_shell.run("reach console")
    assert "no handle" in text or "NOT_FOUND" in text, text  # not granted under that name
    lines = shared_shell.run("reach stdout").splitlines()
    assert any(line.startswith("shell (") for line in lines), lines
    own = [line for line in lines if line.startswith("reach (")]
    assert len(own) == 3 and all("granted to a new process" in line and "shell (" in line for line in own), lines


def test_commands_run_on_a_tree_served_from_memory(shared_shell):
    served = shared_shell.run("serve /disk0/numbers ls -l")
    assert served == shared_shell.run("ls -l /disk0/numbers")
    assert shared_shell.run("serve /disk0 cat README.TXT") == shared_shell.run("cat /disk0/README.TXT")
    assert shared_shell.run("serve /disk0 cat /README.TXT") == shared_shell.run("cat /disk0/README.TXT")
    assert shared_shell.run("serve /disk0/deep cat 1/2/3/4/5/6/7/8/9/10/11/12/bottom.txt").startswith("You have")
    assert "NOT_FOUND" in shared_shell.run("serve /disk0/numbers cat ../README.TXT")
    assert "NOT_FOUND" in shared_shell.run("serve /disk0/numbers cat /boot/welcome.txt")
    assert "no such" in shared_shell.run("serve /nowhere ls").lower() or "NOT_FOUND" in shared_shell.run("serve /nowhere ls")
    assert "folder and a command" in shared_shell.run("serve")
