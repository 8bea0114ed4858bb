"""Hardware as people might have it, and hardware that fails."""
import os
import time

import pytest
from machine import BUILD

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
