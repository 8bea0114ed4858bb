"""What the loader says when something is wrong: always what, and what to do about it."""
import struct

import pytest
from machine import make_image

SAID = r"Peal cannot start: "


def elf_with(kernel, offset, data):
    content = bytearray(kernel.read_bytes())
    content[offset:offset + len(data)] = data
    return bytes(content)


def refuse(boot, image, *expected):
    machine = boot(allow=[SAID], image=image)
    for text in expected:
        machine.expect(text)
    return machine


@pytest.fixture
def image_with_kernel(tmp_path, archive):
    def make(content):
        (tmp_path / "kernel").write_bytes(content)
        return make_image(tmp_path / "image", kernel=tmp_path / "kernel", archive=archive)

    return make


def test_a_missing_kernel_is_named_with_what_to_do(boot, tmp_path, archive):
    image = make_image(tmp_path / "image", archive=archive)
    machine = refuse(boot, image, "Peal cannot start: there is no file \\peal\\kernel", "./peal run")
    machine.expect("BdsDxe: failed to start")  # control is the firmware's again


def test_a_missing_archive_is_named(boot, tmp_path, kernel):
    refuse(boot, make_image(tmp_path / "image", kernel=kernel), "there is no file \\peal\\archive")


def test_a_kernel_that_is_not_elf_is_refused(boot, image_with_kernel):
    refuse(boot, image_with_kernel(b"hello\n" * 100), "\\peal\\kernel is unusable: it is not an ELF file")


def test_an_empty_kernel_is_refused(boot, image_with_kernel):
    refuse(boot, image_with_kernel(b""), "it is too short to be a kernel")


def test_a_truncated_kernel_is_refused(boot, image_with_kernel, kernel):
    content = kernel.read_bytes()
    refuse(boot, image_with_kernel(content[:len(content) // 2]), "\\peal\\kernel is unusable: ", "cut off")


def test_a_kernel_for_another_machine_is_refused(boot, image_with_kernel, kernel):
    refuse(boot, image_with_kernel(elf_with(kernel, 18, struct.pack("<H", 183))), "another kind of machine")


def test_a_writable_and_executable_kernel_is_refused(boot, image_with_kernel, kernel):
    flags_of_first_segment = 64 + 4
    refuse(boot, image_with_kernel(elf_with(kernel, flags_of_first_segment, struct.pack("<I", 7))),
           "a segment is writable and executable")


def test_a_command_line_that_is_too_long_is_refused(boot, tmp_path, kernel, archive):
    image = make_image(tmp_path / "image", kernel=kernel, archive=archive, command_line="x" * 1025)
    refuse(boot, image, "\\peal\\cmdline is longer than 1024 bytes")


def test_a_processor_that_cannot_forbid_execution_is_refused(boot, tmp_path, kernel, archive):
    image = make_image(tmp_path / "image", kernel=kernel, archive=archive)
    machine = boot(allow=[SAID], image=image, extra=["-cpu", "max,nx=off"])
    machine.expect("cannot forbid execution of data (NX)")
