"""Machines that are too small for what is asked of them."""
import array


def test_a_file_larger_than_memory_is_read_whole_by_two_at_once(shell, fat_disk):
    words = array.array("I", (n * 2654435761 & 0xFFFFFFFF for n in range(20 << 20)))
    lines = "".join(f"{n}\n" for n in range(40000))
    disk = fat_disk({"LARGE.BIN": words.tobytes(), "numbers/lines.txt": lines.encode()}, sectors_per_cluster=4)
    machine = shell(memory="64M", cpus=2, disks=[disk])
    said = machine.run("testrunner shortage")
    assert "test: ok a_file_larger_than_memory_is_read_whole" in said
    assert "test: ok files_are_read_while_there_is_no_memory_to_keep_them" in said
    assert "leaks: none" in said
    assert "tests: 1 passed, 0 failed" in said
