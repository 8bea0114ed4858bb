"""Reads a FAT32 volume strictly, from Microsoft's specification (FAT: General Overview of On-Disk Format 1.03) and nothing of ours.

    volume = Volume(image, offset)       image: bytes, bytearray or mmap
    volume.files                         path -> (first cluster, size), in UTF-8 names
    volume.problems                      what no power cut may leave: sentences
    volume.leftovers                     what one may: kind -> count
    volume.content("/a/b.txt")
"""
import array
import struct

LAST, BAD = 0x0FFFFFF8, 0x0FFFFFF7
DIRECTORY, LABEL, LONG = 0x10, 0x08, 0x0F


class Volume:
    def __init__(self, image, offset=0, table=0):
        self.image, self.offset = image, offset
        boot = image[offset:offset + 512]
        self.sector_bytes, self.cluster_sectors, self.reserved, self.tables = struct.unpack_from("<HBHB", boot, 11)
        self.total_sectors, self.table_sectors, flags = struct.unpack_from("<IIH", boot, 32)
        self.total_sectors = struct.unpack_from("<H", boot, 19)[0] or self.total_sectors  # mkfs.fat of small volumes
        self.root, self.info_sector = struct.unpack_from("<IH", boot, 44)
        assert boot[510:512] == b"\x55\xaa", "no boot sector"
        self.cluster_bytes = self.sector_bytes * self.cluster_sectors
        self.data_start = (self.reserved + self.tables * self.table_sectors) * self.sector_bytes
        self.clusters = (self.total_sectors * self.sector_bytes - self.data_start) // self.cluster_bytes
        self.table = self._table(table)
        self.problems, self.leftovers, self.files, self.folders = [], {}, {}, {}
        self.owner = {}
        if boot[65] & 1:
            self._left("marked as in use")
        if any(self._table(number) != self.table for number in range(self.tables)):
            self._left("tables differ")
        self._walk()
        lost = sum(1 for c in range(2, self.clusters + 2) if self.table[c] & 0x0FFFFFFF and c not in self.owner)
        if lost:
            self._left("lost clusters", lost)
        self._check_info()

    def _left(self, kind, count=1):
        self.leftovers[kind] = self.leftovers.get(kind, 0) + count

    def _table(self, number):
        start = self.offset + (self.reserved + number * self.table_sectors) * self.sector_bytes
        table = array.array("I")
        table.frombytes(bytes(self.image[start:start + 4 * (self.clusters + 2)]))
        return table

    def _check_info(self):
        start = self.offset + self.info_sector * self.sector_bytes
        free = struct.unpack_from("<I", self.image, start + 488)[0]
        used = sum(1 for c in range(2, self.clusters + 2) if self.table[c] & 0x0FFFFFFF)
        if free == 0xFFFFFFFF:
            self._left("free count unknown")
        elif free != self.clusters - used:
            self.problems.append(f"the free count is {free}, not {self.clusters - used}")

    def _chain(self, first, path):
        chain, cluster = [], first
        while cluster < BAD:
            if not 2 <= cluster < self.clusters + 2:
                self.problems.append(f"{path}: cluster {cluster} does not exist or is free")
                return chain
            if cluster in self.owner:
                self.problems.append(f"{path}: cluster {cluster} also belongs to {self.owner[cluster]}")
                return chain
            self.owner[cluster] = path
            chain.append(cluster)
            cluster = self.table[cluster] & 0x0FFFFFFF
            if cluster == 0:
                self.problems.append(f"{path}: the chain runs into a free cluster")
                return chain
        return chain

    def _cluster(self, cluster):
        start = self.offset + self.data_start + (cluster - 2) * self.cluster_bytes
        return bytes(self.image[start:start + self.cluster_bytes])

    def _walk(self):
        waiting = [("", self.root, 0)]
        while waiting:
            path, first, parent = waiting.pop()
            chain = self._chain(first, path or "/")
            self.folders[path or "/"] = first
            data = b"".join(self._cluster(c) for c in chain)
            if parent is not None and path:
                self._check_dots(path, data, first, parent)
            for name, entry in self._entries(path, data):
                child = f"{path}/{name}"
                high, low = struct.unpack_from("<H", entry, 20)[0], struct.unpack_from("<H", entry, 26)[0]
                start, size = (high << 16 | low) & 0x0FFFFFFF, struct.unpack_from("<I", entry, 28)[0]
                if child in self.files or child in self.folders:
                    self.problems.append(f"{child} exists twice")
                if entry[11] & DIRECTORY:
                    waiting.append((child, start, first if path else 0))
                else:
                    self._file(child, start, size)

    def _check_dots(self, path, data, own, parent):
        for number, (name, wanted) in enumerate(((b".          ", own), (b"..         ", parent))):
            entry = data[32 * number:32 * number + 32]
            start = struct.unpack_from("<H", entry, 20)[0] << 16 | struct.unpack_from("<H", entry, 26)[0]
            if entry[:11] != name or not entry[11] & DIRECTORY or start != wanted:
                self.problems.append(f"{path}: entry {number} is not {name.decode().strip()} at {wanted}, but {entry[:11]} at {start}")

    def _file(self, path, first, size):
        chain = self._chain(first, path) if first else []
        needed = -(-size // self.cluster_bytes)
        if len(chain) < needed:
            self.problems.append(f"{path}: {size} bytes, but only {len(chain)} clusters")
        if len(chain) > needed:
            self._left("chains too long")
        self.files[path] = (chain, size)

    def _entries(self, path, data):
        """(name, short entry) of each file and folder."""
        parts, wanted, checksum = [], 0, 0
        for at in range(0, len(data), 32):
            entry = data[at:at + 32]
            if entry[0] == 0:
                break
            if entry[0] == 0xE5:
                if wanted or parts:
                    self.problems.append(f"{path}: a long name without its entry")
                parts, wanted = [], 0
                continue
            if entry[11] & 0x3F == LONG:
                if entry[0] & 0x40:
                    if parts:
                        self.problems.append(f"{path}: a long name inside another")
                    parts, wanted, checksum = [], entry[0] & 0x3F, entry[13]
                if (entry[0] & 0x3F) != wanted or entry[13] != checksum or wanted == 0:
                    self.problems.append(f"{path}: part {entry[0]:#x} of a long name where {wanted} belongs")
                    parts, wanted = [], 0
                    continue
                parts.insert(0, entry[1:11] + entry[14:26] + entry[28:32])
                wanted -= 1
                continue
            long_name, complete = b"".join(parts), wanted == 0
            had_parts, parts, wanted = bool(parts), [], 0
            if entry[11] & LABEL or entry[:11] in (b".          ", b"..         "):
                continue
            total = 0
            for byte in entry[:11]:
                total = ((total & 1) << 7) + (total >> 1) + byte & 0xFF
            if had_parts and (not complete or total != checksum):
                self.problems.append(f"{path}: a long name that does not belong to {entry[:11]}")
                had_parts = False
            yield (self._long(long_name) if had_parts else self._short(entry)), entry
        if parts:
            self.problems.append(f"{path}: a long name without its entry")

    @staticmethod
    def _long(raw):
        return raw.decode("utf-16-le", "replace").split("\0")[0]

    @staticmethod
    def _short(entry):
        base, extension = entry[:8].rstrip(b" "), entry[8:11].rstrip(b" ")
        if entry[12] & 0x08:
            base = base.lower()
        if entry[12] & 0x10:
            extension = extension.lower()
        return (base + (b"." + extension if extension else b"")).decode("cp850")

    def content(self, path):
        chain, size = self.files[path]
        return b"".join(self._cluster(c) for c in chain)[:size]


def first_partition(image):
    """Byte offset of a GPT disk's first partition (UEFI specification 2.10, 5.3)."""
    entries = struct.unpack_from("<Q", image, 512 + 72)[0]
    return struct.unpack_from("<Q", image, entries * 512 + 32)[0] * 512
