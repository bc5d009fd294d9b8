"""Read an offline ``.wandb`` file, for which wandb has a writer and no public reader.

The file is a 7-byte header and blocks of 32 KiB, counted from its start. A block holds chunks, each with a
header of the CRC-32 of type and payload (4 bytes), the payload's length (2) and the type (1), little-endian.
A record is one full chunk, or a first, middle ones and a last; its bytes are a ``Record`` of wandb.proto.
What is left of a block and cannot hold a chunk's header is padding.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK = 32 * 1024
HEADER = struct.Struct("<4sHB")  # identifier, magic, version
CHUNK = struct.Struct("<IHB")  # crc, length, type
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


class Broken(ValueError):
    """The bytes are not a ``.wandb`` file, or are damaged."""


def records(content: bytes) -> Iterator[bytes]:
    """Yield the bytes of each record.

    Raises:
        Broken: the header, a checksum, a length or the order of the chunks is wrong.
    """
    if content[:4] != b":W&B":
        raise Broken("no header")
    position, parts = HEADER.size, []
    while position < len(content):
        left = BLOCK - position % BLOCK
        if left < CHUNK.size:
            position += left
            continue
        if position + CHUNK.size > len(content):
            raise Broken(f"the chunk at byte {position} is cut short")
        checksum, length, kind = CHUNK.unpack_from(content, position)
        start = position + CHUNK.size
        payload = content[start : start + length]
        if len(payload) < length or CHUNK.size + length > left:
            raise Broken(f"the chunk at byte {position} is cut short")
        if checksum != zlib.crc32(bytes([kind]) + payload):
            raise Broken(f"the chunk at byte {position} has another checksum")
        if kind not in (FULL, FIRST, MIDDLE, LAST) or (kind in (FULL, FIRST)) == bool(parts):
            raise Broken(f"the chunk at byte {position} is out of order")
        parts.append(payload)
        if kind in (FULL, LAST):
            yield b"".join(parts)
            parts = []
        position = start + length
    if parts:
        raise Broken("the last record has no end")


def write(payloads: list[bytes]) -> bytes:
    """Write records as wandb does, to compare the reader with."""
    content = bytearray(HEADER.pack(b":W&B", 0xBEE1, 0))
    for payload in payloads:
        rest, first = payload, True
        while first or rest:
            left = BLOCK - len(content) % BLOCK
            if left < CHUNK.size:
                content += bytes(left)
                continue
            part, rest = rest[: left - CHUNK.size], rest[left - CHUNK.size :]
            kind = (FULL if not rest else FIRST) if first else (MIDDLE if rest else LAST)
            content += CHUNK.pack(zlib.crc32(bytes([kind]) + part), len(part), kind) + part
            first = False
    return bytes(content)


@dataclass
class WandbFile:
    """What one file says."""

    run: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    artifacts: list[Any] = field(default_factory=list)
    exit_code: int | None = None

    @classmethod
    def read(cls, path: Path) -> WandbFile:
        """Read the records of a file.

        Raises:
            Broken: as for :func:`records`.
        """
        from wandb.proto.wandb_internal_pb2 import Record

        found = cls()
        for payload in records(path.read_bytes()):
            record = Record()
            record.ParseFromString(payload)
            kind = record.WhichOneof("record_type")
            told = getattr(record, kind)
            if kind == "run":
                found.run = told
                _update(found.config, told.config.update)
            elif kind == "config":
                _update(found.config, told.update)
            elif kind == "history":
                row: dict[str, Any] = {}
                _update(row, told.item)
                found.history.append(row)
            elif kind == "summary":
                _update(found.summary, told.update)
            elif kind == "metric":
                found.metrics[told.name or told.glob_name] = told
            elif kind == "artifact":
                found.artifacts.append(told)
            elif kind == "exit":
                found.exit_code = told.exit_code
        return found


def _update(values: dict[str, Any], items: Any) -> None:
    for item in items:
        *parents, name = item.nested_key or [item.key]
        node = values
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = json.loads(item.value_json)
