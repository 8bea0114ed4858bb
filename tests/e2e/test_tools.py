"""The everyday commands, as a person uses them; and what is on the disk afterwards, by other people's tools."""
import subprocess

import pytest


@pytest.fixture
def tools(shared_shell):
    """A machine at its prompt, with an empty folder /disk0/t."""
    shared_shell.run("rm -rf /disk0/t; mkdir /disk0/t")
    yield shared_shell
    assert shared_shell.run("rm -r /disk0/t") == ""


def test_what_is_written_can_be_read_copied_moved_and_deleted(tools):
    assert tools.run("write /disk0/t/one.txt hello there") == ""
    assert tools.run("write -a /disk0/t/one.txt again") == ""
    assert tools.run("cat /disk0/t/one.txt") == "hello there\nagain"
    assert tools.run("cp /disk0/t/one.txt '/disk0/t/A second file, with a long name.txt'") == ""
    assert tools.run("mv /disk0/t/one.txt /disk0/t/uno.txt") == ""
    assert tools.run("ls /disk0/t") == "A second file, with a long name.txt\nuno.txt"
    assert tools.run("cat '/disk0/t/A second file, with a long name.txt'") == "hello there\nagain"
    assert tools.run("rm /disk0/t/uno.txt") == ""
    assert "NOT_FOUND" in tools.run("cat /disk0/t/uno.txt")


def test_whole_trees_are_copied_and_deleted(tools):
    assert tools.run("cp -r /disk0/documents /disk0/deep /disk0/t") == ""
    assert tools.run("find /disk0/t -type d").count("\n") == 15
    assert tools.run("cat /disk0/t/deep/1/2/3/4/5/6/7/8/9/10/11/12/bottom.txt") == "You have reached the bottom."
    assert tools.run("du -sb /disk0/t/documents").split()[0] == tools.run("du -sb /disk0/documents").split()[0]
    assert "is a folder" in tools.run("rm /disk0/t/deep")
    assert "NOT_EMPTY" in tools.run("rmdir /disk0/t/deep")
    assert tools.run("rm -r /disk0/t/deep") == ""
    assert "deep" not in tools.run("ls /disk0/t")


def test_folders_are_made_moved_and_removed(tools):
    assert tools.run("mkdir -p /disk0/t/a/b/c") == ""
    assert "ALREADY_EXISTS" in tools.run("mkdir /disk0/t/a")
    assert tools.run("write /disk0/t/a/b/file text") == ""
    assert tools.run("mv /disk0/t/a/b /disk0/t/moved") == ""
    assert tools.run("cat /disk0/t/moved/file") == "text"
    assert "INVALID_ARGUMENT" in tools.run("mv /disk0/t/moved /disk0/t/moved/c")
    assert tools.run("rmdir /disk0/t/moved/c /disk0/t/a") == ""
    assert tools.run("ls /disk0/t") == "moved/"


def test_a_file_replaces_one_that_is_there_unless_it_must_not(tools):
    tools.run("write /disk0/t/old old content")
    tools.run("write /disk0/t/new new content")
    assert "ALREADY_EXISTS" in tools.run("mv -n /disk0/t/new /disk0/t/old")
    assert tools.run("mv /disk0/t/new /disk0/t/old") == ""
    assert tools.run("cat /disk0/t/old") == "new content"
    assert "ALREADY_EXISTS" in tools.run("cp /disk0/t/old /disk0/t/OLD")
    assert tools.run("cat /disk0/t/old") == "new content"


def test_lines_are_counted_sorted_and_searched(tools):
    assert tools.run("wc -l /disk0/numbers/lines.txt").split()[0] == "48895"
    assert tools.run("head -n 2 /disk0/numbers/lines.txt") == "1\n2"
    assert tools.run("tail -n 2 /disk0/numbers/lines.txt") == "48894\n48895"
    assert tools.run("grep -n '^4889[0-2]$' /disk0/numbers/lines.txt") == "48890:48890\n48891:48891\n48892:48892"
    assert tools.run("grep -c 7 /disk0/numbers/lines.txt") == str(sum("7" in str(n) for n in range(1, 48896)))
    assert tools.run("grep -rl 'reached the .ottom' /disk0/deep").endswith("bottom.txt")
    tools.run("write /disk0/t/words pear")
    for word in ("apple", "Pear", "apple", "10", "9"):
        tools.run(f"write -a /disk0/t/words {word}")
    assert tools.run("sort /disk0/t/words") == "10\n9\nPear\napple\napple\npear"
    assert tools.run("sort -u -r /disk0/t/words") == "pear\napple\nPear\n9\n10"
    assert tools.run("sort -n /disk0/t/words").endswith("9\n10")


def test_find_takes_conditions(tools):
    tools.run("write /disk0/t/small x; touch /disk0/t/nothing; cp /disk0/numbers/pattern.bin /disk0/t/large.bin")
    assert tools.run("find /disk0/t -name '*.bin'") == "/disk0/t/large.bin"
    assert tools.run("find /disk0/t -empty") == "/disk0/t/nothing"
    assert tools.run("find /disk0/t -size +1k") == "/disk0/t/large.bin"
    assert tools.run("find /disk0/t -type d") == "/disk0/t"
    assert "no such condition" in tools.run("find /disk0/t -nam x")


def test_touch_makes_files_and_changes_times(tools):
    assert tools.run("touch /disk0/t/new; touch -c /disk0/t/none") == ""
    assert tools.run("ls /disk0/t") == "new"
    assert tools.run("cp /disk0/README.TXT /disk0/t/copy") == ""
    assert "2000-01-01" in tools.run("ls -l /disk0/t/copy")
    tools.run("touch /disk0/t/copy")
    assert "2000-01-01" not in tools.run("ls -l /disk0/t/copy")


def test_df_and_mount_tell_about_volumes(tools):
    before = [line.split() for line in tools.run("df").splitlines() if line.startswith("/disk0")][0]
    assert before[1] == "virtio0p1"
    mounted = tools.run("mount")
    assert "/disk0" in mounted and "read and write" in mounted
    assert "made by the kernel" in [line for line in mounted.splitlines() if line.startswith("/boot")][0]


def test_what_cannot_be_is_said(tools):
    assert "PERMISSION_DENIED" in tools.run("write /boot/new x")
    assert "PERMISSION_DENIED" in tools.run("rm /boot/bin/ls")
    assert "INVALID_ARGUMENT" in tools.run("write '/disk0/t/what?' x")
    assert "INVALID_ARGUMENT" in tools.run("mkdir /disk0/t/" + "n" * 300)
    assert "NOT_FOUND" in tools.run("write /disk0/t/none/file x")
    assert "itself" in tools.run("cp -r /disk0/t /disk0/t/inner")
    assert tools.run("ls /disk0/t") == ""


def test_a_full_disk_is_said_and_hurts_nothing(shell, fat_disk):
    machine = shell(disks=[fat_disk({"kept.txt": b"kept\n"})])
    machine.run("mkdir /disk0/full")
    said = ""
    for number in range(60):
        said = machine.run(f"cp /boot/bin/testrunner /disk0/full/{number}; cp -r /boot/bin /disk0/full/bin{number}")
        if "NO_SPACE" in said:
            break
    assert "NO_SPACE" in said
    assert machine.run("cat /disk0/kept.txt") == "kept"
    assert machine.run("rm -r /disk0/full") == ""
    assert machine.run("sync; cp /boot/bin/testrunner /disk0/again") == ""


def test_with_less_rights_less_is_possible(tools):
    tools.run("write /disk0/t/file content")
    assert "lacks the right" in tools.run("with stdout,stderr,root:read+look_up+close rm /disk0/t/file")
    assert tools.run("cat /disk0/t/file") == "content"
