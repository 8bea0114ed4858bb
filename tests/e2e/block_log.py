"""The log that QEMU's blklogwrites keeps of a disk: every write and flush, in the order they ended.

The format is dm-log-writes' (Linux, Documentation/admin-guide/device-mapper/log-writes.rst).
"""
import random
import struct

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4


def entries(path, sector_bytes=512):
    """(position behind it, flags, first byte, data) of each entry that is there whole."""
    with open(path, "rb") as log:
        magic, version = struct.unpack("<QQ", log.read(sector_bytes)[:16])
        assert magic == MAGIC and version == 1, "not a log of writes"
        while True:
            head = log.read(sector_bytes)
            if len(head) < sector_bytes:
                return
            sector, count, flags, length = struct.unpack("<QQQQ", head[:32])
            if sector == count == flags == length == 0:
                return
            data = b"" if flags & DISCARD else log.read(count * sector_bytes)
            if len(data) < (0 if flags & DISCARD else count * sector_bytes):
                return
            yield log.tell(), flags, sector * sector_bytes, data


class Cuts:
    """What a disk may hold after the power failed: all up to a flush, and of what came behind any part.

    A sector is written whole or not at all. `image` is a bytearray that is changed and put back."""

    SECTOR = 512

    def __init__(self, image, log, seed):
        self.image, self.log = image, list(log)
        self.random = random.Random(seed)

    def _apply(self, writes):
        before = []
        for at, data in writes:
            before.append((at, bytes(self.image[at:at + len(data)])))
            self.image[at:at + len(data)] = data
        return before

    def _take_back(self, before):
        for at, data in reversed(before):
            self.image[at:at + len(data)] = data

    def _subsets(self, sectors, count):
        """Of the sectors written since the last flush: none, all, all but one, one alone, prefixes, any."""
        chosen = [[], sectors]
        while len(chosen) < count and sectors:
            one = self.random.randrange(len(sectors))
            chosen += [sectors[:one] + sectors[one + 1:], [sectors[one]], sectors[:one],
                       [s for s in sectors if self.random.random() < 0.5]]
        return chosen[:count]

    def states(self, each):
        """Yields the position in the log up to which everything is durable; the image is that state meanwhile."""
        durable, pending = 0, []
        for position, flags, at, data in self.log:
            pending += [(at + n, data[n:n + self.SECTOR]) for n in range(0, len(data), self.SECTOR)]
            if not flags & (FLUSH | FUA):
                continue
            for chosen in self._subsets(pending, each):
                before = self._apply(chosen)
                yield durable
                self._take_back(before)
            if flags & FLUSH:
                self._apply(pending)
                pending, durable = [], position
        for chosen in self._subsets(pending, each):
            before = self._apply(chosen)
            yield durable
            self._take_back(before)
