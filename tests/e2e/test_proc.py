"""/proc as a person reads it: every file is JSON to somebody else's parser, says what docs/proc.md says it does,
and agrees with the commands that ask the kernel in other ways."""
import json
import re

import pytest
from machine import ROOT

FILES = ["version", "uptime", "memory", "tasks", "devices", "block", "volumes", "cache", "rings", "reach"]
OF_A_PROCESS = ["status", "maps", "handles", "rings", "reach"]
UNITS = ("_bytes", "_ns", "_count", "_id", "_address")
# Numbers that count nothing and measure nothing, or are what their maker says.
WITHOUT_UNIT = {"id", "number", "slot", "step", "derivation_step", "priority", "processor", "abi_version", "class_code",
                "subclass"}


def read(machine, path):
    whole = json.loads(machine.run(f"cat /proc/{path}"), object_pairs_hook=members)
    assert set(whole) == {"schema", "ok", "data"} and whole["schema"] == "peal-1" and whole["ok"] is True
    return whole["data"]


def members(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a name comes twice: {names}"
    return dict(pairs)


def paths(value, path=""):
    """The names of all leaves: "threads[].id"."""
    if isinstance(value, dict):
        return {found for name, member in value.items() for found in paths(member, f"{path}.{name}".lstrip("."))}
    if isinstance(value, list):
        return {found for item in value for found in paths(item, path + "[]")}
    return {path}


def documented():
    """{file: {field: meaning}} of docs/proc.md; files that refer to another one have its fields."""
    sections = re.split(r"^## /proc/", (ROOT / "docs" / "proc.md").read_text(), flags=re.MULTILINE)[1:]
    fields = {}
    for section in sections:
        name = section.splitlines()[0].replace("ID/", "self/")
        fields[name] = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE))
        same = re.search(r"^The fields of `/proc/(\w+)`", section, re.MULTILINE)
        if same:
            fields[name] = fields[same[1]]
    return fields


def test_every_file_is_listed_and_described(shared_shell):
    listed = shared_shell.run("ls /proc").split()
    assert sorted(name for name in listed if not name.endswith("/")) == sorted(FILES)
    assert "self/" in listed and "1/" in listed
    assert sorted(shared_shell.run("ls /proc/self").split()) == sorted(OF_A_PROCESS)
    assert sorted(name for name, fields in documented().items() if fields) == sorted(
        FILES + [f"self/{name}" for name in OF_A_PROCESS])


@pytest.mark.parametrize("path", FILES + [f"self/{name}" for name in OF_A_PROCESS])
def test_the_fields_are_those_of_the_description(shared_shell, path):
    assert paths(read(shared_shell, path)) == set(documented()[path])


@pytest.mark.parametrize("path", FILES + [f"self/{name}" for name in OF_A_PROCESS])
def test_numbers_are_whole_and_say_their_unit(shared_shell, path):
    def look(value, name):
        if isinstance(value, dict):
            for key, member in value.items():
                look(member, key)
        elif isinstance(value, list):
            for item in value:
                look(item, name)
        elif not isinstance(value, (bool, str)) and value is not None:
            assert isinstance(value, int) and value >= 0, name
            if not (path in ("version", "devices") and name in ("vendor_id", "device_id")):
                assert name.endswith(UNITS) or name in WITHOUT_UNIT, name

    look(read(shared_shell, path), "")


def test_tasks_are_those_of_ps(shared_shell):
    tasks = {task["id"]: task for task in read(shared_shell, "tasks")["tasks"]}
    rows = [line.split(None, 7) for line in shared_shell.run("ps").splitlines()[1:]]
    others = [row for row in rows if row[7] not in ("cat", "ps")]
    assert len(others) == len(tasks) - 1
    for number, parent, threads, _, _, _, state, name in others:
        task = tasks[int(number)]
        assert (task["parent_id"], task["thread_count"], task["state"], task["name"]) == (
            int(parent), int(threads), state, name)
    assert [task["name"] for task in tasks.values()].count("cat") == 1


def test_memory_is_that_of_free(shared_shell):
    memory = read(shared_shell, "memory")
    free = {line.split()[0]: line for line in shared_shell.run("free").splitlines()}
    assert memory["total_bytes"] // 1024 == int(re.search(r"(\d+) KiB", free["total"])[1])
    assert abs(memory["free_bytes"] // 1024 - int(re.search(r"(\d+) KiB", free["free"])[1])) < 4096
    assert memory["free_bytes"] < memory["total_bytes"]


def test_volumes_are_the_entries_of_the_root(shared_shell):
    volumes = {volume["name"]: volume for volume in read(shared_shell, "volumes")["volumes"]}
    assert {f"{name}/" for name in volumes} == set(shared_shell.run("ls /").split())
    assert volumes["disk0"]["file_system"] == "fat32" and volumes["boot"]["file_system"] == "archive"


def test_reading_a_disk_is_counted(shell, fat_disk):
    machine = shell(disks=[fat_disk({"numbers.bin": bytes(100_000)})])

    def reads():
        return sum(device["read_count"] for device in read(machine, "block")["devices"])

    before = reads()
    machine.run("wc /disk0/numbers.bin")
    assert reads() > before
    pages = read(machine, "cache")["page_count"]
    assert pages >= 100_000 // 4096


def test_self_is_who_reads_and_its_rights_are_those_it_was_given(shared_shell):
    status = read(shared_shell, "self/status")
    assert status["name"] == "cat" and status["thread_count"] == len(status["threads"]) == 1
    for derivation in read(shared_shell, "self/reach")["derivations"]:
        assert "create" not in derivation["rights"], derivation


def test_what_has_no_name_there_is_not_found(shared_shell):
    for name in ("99999", "0", "01", "self/version", "nothing", "version/x"):
        assert "(NOT_FOUND)" in shared_shell.run(f"cat /proc/{name}")


def test_a_program_that_was_not_handed_the_root_has_none(shared_shell):
    assert "schema" not in shared_shell.run("with stdout,stderr,cwd cat /proc/version")
