"""Hardware as people might have it, and hardware that fails."""
import os
import re
import subprocess
import time

import pytest
from machine import BUILD

SAMPLE = BUILD / "sample.disk"
KEYS = {" ": "spc", "/": "slash", "\r": "ret", "-": "minus", ".": "dot"}


def disk_arguments(name, file, device="", drive=""):
    """QEMU arguments for one more disk, unchanged by the run."""
    return ["-drive", f"if=none,id={name},format=raw,snapshot=on,file={file}{drive}",
            "-device", f"virtio-blk-pci,drive={name}{device}"]


def press(machine, *keys):
    """Presses keys together on the PS/2 keyboard."""
    machine.ask("send-key", keys=[{"type": "qcode", "data": key} for key in keys])
    time.sleep(0.15)  # send-key releases after 100 ms, and the next press would come into that


def press_text(machine, text):
    for character in text:
        press(machine, KEYS.get(character, character))


def test_the_ps2_keyboard_types_into_the_same_console(shell):
    machine = shell(qmp=True)
    press_text(machine, "echo a-b")
    press(machine, "shift", "c")
    press(machine, "left")
    press_text(machine, "x\r")
    machine.expect("\na-bxC\n")
    press_text(machine, "sleep 100\r")
    machine.expect("sleep 100\n")
    press(machine, "ctrl", "c")
    machine.wait_for_prompt()


def test_neither_screen_nor_keyboard_is_needed(shell):
    machine = shell(extra=["-vga", "none", "-machine", "i8042=off"])
    assert machine.run("echo alive") == "alive"


@pytest.mark.parametrize("device", [
    ",disable-legacy=on,num-queues=1",
    ",disable-legacy=on,num-queues=4",
    ",disable-legacy=on,num-queues=1,queue-size=4",
    ",disable-legacy=off,disable-modern=off",
])
def test_disks_of_many_shapes_work(shell, device):
    machine = shell(extra=disk_arguments("shape", BUILD / "sample.disk", device))
    listings = [machine.run(f"ls /disk{number}") for number in (0, 1)]
    assert any("documents/" in listing for listing in listings)


@pytest.mark.parametrize("device", [",disable-modern=on,disable-legacy=off", ",disable-legacy=on,vectors=0"])
def test_a_disk_that_cannot_be_driven_is_left_alone(shell, device):
    machine = shell(extra=disk_arguments("strange", BUILD / "sample.disk", device))
    assert "does not work" in machine.received
    assert machine.run("echo alive") == "alive"


def test_a_disk_whose_reads_fail_is_reported_and_survived(shell, tmp_path):
    rules = tmp_path / "rules"
    rules.write_text('[inject-error]\nevent = "read_aio"\nerrno = "5"\n')
    machine = shell(extra=["-drive", "if=none,id=bad,format=raw,readonly=on,"
                           f"file=blkdebug:{rules}:{os.path.abspath(BUILD / 'sample.disk')}",
                           "-device", "virtio-blk-pci,drive=bad,disable-legacy=on"])
    assert "partition table unusable" in machine.received
    assert machine.run("ls /disk0") != ""
    assert machine.run("echo alive") == "alive"


def nvme_arguments(file, device="", namespace=None, drive=""):
    """QEMU arguments for an NVMe disk, unchanged by the run."""
    drive = ["-drive", f"if=none,id=nvme,format=raw,snapshot=on,file={file}{drive}"]
    if namespace is None:
        return [*drive, "-device", f"nvme,serial=peal,drive=nvme{device}"]
    return [*drive, "-device", f"nvme,serial=peal{device}", "-device", f"nvme-ns,drive=nvme{namespace}"]


@pytest.mark.parametrize("device", [
    ",max_ioqpairs=1,msix_qsize=1",
    ",max_ioqpairs=1,msix_qsize=2",
    ",msix_qsize=1",
    ",max_ioqpairs=4,msix_qsize=3,mdts=1",
])
def test_nvme_controllers_of_many_shapes_work(shell, device):
    machine = shell(cpus=4, disks=[SAMPLE], extra=nvme_arguments(SAMPLE, device))
    assert re.search(r"mount: /disk\d is nvme0n1p1", machine.received)
    listings = [machine.run(f"ls /disk{number}") for number in (0, 1)]
    assert all("documents/" in listing for listing in listings)


def test_nvme_without_message_interrupts_is_looked_at_by_a_timer(shell):
    machine = shell(append="nomsix", extra=nvme_arguments(SAMPLE))
    assert "/disk0 is nvme0n1p1" in machine.received
    assert "documents/" in machine.run("ls /disk0")


def format_disk(path, sector_bytes):
    """A file system of 300 MiB with one file, and sectors of this size."""
    with open(path, "wb") as disk:
        disk.truncate(300 << 20)
    subprocess.run(["mkfs.vfat", "-F", "32", "-S", str(sector_bytes), "-s", str(4096 // sector_bytes), str(path)],
                   check=True, stdout=subprocess.DEVNULL)
    hello = path.with_suffix(".txt")
    hello.write_text(f"sectors of {sector_bytes}\n")
    subprocess.run(["mcopy", "-i", str(path), str(hello), "::HELLO.TXT"], check=True)
    return path


def test_each_namespace_of_a_controller_is_a_disk_with_sectors_of_its_own(shell, tmp_path):
    arguments = ["-device", "nvme,serial=peal"]
    for number, sector_bytes in ((1, 4096), (3, 512)):
        file = format_disk(tmp_path / f"disk{number}", sector_bytes)
        arguments += ["-drive", f"if=none,id=n{number},format=raw,snapshot=on,file={file}", "-device",
                      f"nvme-ns,drive=n{number},nsid={number},logical_block_size={sector_bytes},"
                      f"physical_block_size={sector_bytes}"]
    # With metadata: left alone.
    arguments += ["-drive", "if=none,id=n4,driver=null-co,size=64M", "-device", "nvme-ns,drive=n4,nsid=4,ms=8"]
    machine = shell(extra=arguments)
    listing = machine.run("ls /dev")
    assert "nvme0n1" in listing and "nvme0n3" in listing and "nvme0n4" not in listing
    assert "nvme0n4: not usable" in machine.received
    words = [machine.run(f"cat /disk{number}/HELLO.TXT") for number in (0, 1)]
    assert words == ["sectors of 4096", "sectors of 512"]


def rules_for_error_at(tmp_path, event, number):
    """A blkdebug script that lets the command with this number fail, once."""
    rules = [f'[set-state]\nevent = "{event}"\nstate = "{state}"\nnew_state = "{state + 1}"\n'
             for state in range(1, number)]
    rules.append(f'[inject-error]\nevent = "{event}"\nstate = "{number}"\nerrno = "5"\nonce = "on"\n')
    path = tmp_path / "rules"
    path.write_text("\n".join(rules))
    return path


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 7, 9, 12])
def test_an_nvme_command_that_fails_is_an_error_to_its_caller_alone(shell, tmp_path, number):
    rules = rules_for_error_at(tmp_path, "read_aio", number)
    drive = f"if=none,id=bad,format=raw,readonly=on,file=blkdebug:{rules}:{os.path.abspath(BUILD / 'sample.disk')}"
    machine = shell(disks=[SAMPLE], extra=["-drive", drive, "-device", "nvme,serial=bad,drive=bad"])
    assert "resetting" not in machine.received
    for _ in range(3):
        machine.run("du /disk1")
    # The sample disk on virtio never noticed; the other one works now, if its boot reads did.
    assert "documents/" in machine.run("ls /disk0")
    if "is nvme0n1p1" in machine.received:
        assert "documents/" in machine.run("ls /disk1")


def address_of_nvme(machine):
    """Where the controller's configuration space is, as the old ports name it."""
    for bus in machine.ask("query-pci"):
        for device in bus["devices"]:
            if device["class_info"]["class"] == 0x0108:
                return 0x80000000 | bus["bus"] << 16 | device["slot"] << 11
    raise AssertionError("no NVMe controller")


def test_an_nvme_disk_that_vanishes_gives_errors_and_nothing_else_stops(shell):
    machine = shell(qmp=True, disks=[SAMPLE], extra=nvme_arguments(SAMPLE))
    assert "/disk1 is nvme0n1p1" in machine.received
    # From here on nobody answers at its registers, and it reaches no memory.
    command = address_of_nvme(machine) | 4
    machine.ask("human-monitor-command", **{"command-line": f"o/w 0xcf8 {command}"})
    machine.ask("human-monitor-command", **{"command-line": "o/h 0xcfc 0"})
    assert "IO_ERROR" in machine.run("wc -c /disk1/numbers/mebibyte.bin")
    assert "nvme0: given up" in machine.received
    assert "documents/" in machine.run("ls /disk0")


def test_an_nvme_disk_that_hangs_is_reset_and_used_again(shell):
    machine = shell(qmp=True, disks=[SAMPLE], extra=nvme_arguments(SAMPLE))
    limits = dict(bps=0, bps_rd=0, bps_wr=0, iops=0, iops_rd=0, iops_wr=0)
    machine.ask("block_set_io_throttle", device="nvme", **{**limits, "bps": 64})
    machine.run("wc -c /disk1/numbers/mebibyte.bin")
    assert "did not answer in time: resetting it" in machine.received
    machine.ask("block_set_io_throttle", device="nvme", **limits)
    assert "documents/" in machine.run("ls /disk1")
    assert machine.run("wc -c /disk1/numbers/mebibyte.bin").split()[0] == "1048576"


def test_a_slow_nvme_disk_is_merely_slow(shell):
    machine = shell(disks=[SAMPLE], extra=nvme_arguments(SAMPLE, drive=",throttling.iops-total=30"))
    assert "documents/" in machine.run("ls /disk1")
    assert machine.run("wc -c /disk1/numbers/mebibyte.bin").split()[0] == "1048576"
    assert "resetting" not in machine.received
