"""A stream of bytes, encrypted with a pass phrase in chunks, so that files of any size pass through little memory.

The file begins with MAGIC and a header of fixed length: cost of scrypt, salt, and the first part of the nonces. An empty chunk follows,
which tells a wrong pass phrase from damage. Then come chunks of CHUNK_BYTES, each encrypted with AES-256-GCM. The nonce of a chunk is the
nonce prefix, its number, and whether it is the last one: a chunk cannot be moved, left out or repeated, and a file that was cut off lacks
its last chunk. The header is authenticated with every chunk.
"""

from __future__ import annotations

import os
import struct
from types import TracebackType
from typing import BinaryIO, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

MAGIC = b"CARESLOT BACKUP 1\n"
HEADER = struct.Struct(">B16s7s")
"""The binary logarithm of the cost of scrypt, the salt, and the prefix of the nonces."""
CHUNK_BYTES = 1 << 20
TAG_BYTES = 16
LOG_COST, MAX_LOG_COST = 16, 20
"""A cost of 2**16 takes 64 MiB and a quarter of a second; more than 2**20 would let a forged file take all memory."""
BLOCK_SIZE, PARALLELISM, KEY_BYTES = 8, 1, 32


class WrongPassphrase(Exception):
    """The pass phrase is not the one of the file, or the beginning of the file was changed."""


class DamagedBackup(Exception):
    """The file is no backup, was changed, or was cut off."""


class EncryptingWriter:
    """Encrypts what is written to it. Only a file that was closed without an exception is complete."""

    def __init__(self, file: BinaryIO, passphrase: str, *, log_cost: int = LOG_COST) -> None:
        header = HEADER.pack(log_cost, os.urandom(16), os.urandom(7))
        self._file, self._chunks, self._buffer = file, _ChunkCipher(passphrase, header), bytearray()
        file.write(MAGIC + header + self._chunks.encrypt(b"", is_last=False))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._file.write(self._chunks.encrypt(bytes(self._buffer), is_last=True))

    def write(self, data: bytes) -> int:
        """Encrypt the data, or keep it until there is a whole chunk. One chunk is always kept back, because the last one is marked."""
        self._buffer += data
        while len(self._buffer) > CHUNK_BYTES:
            self._file.write(self._chunks.encrypt(bytes(self._buffer[:CHUNK_BYTES]), is_last=False))
            del self._buffer[:CHUNK_BYTES]
        return len(data)


class DecryptingReader:
    """Decrypts a file, chunk by chunk. Raises DamagedBackup for a file that is none, WrongPassphrase, and DamagedBackup while reading."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        if file.read(len(MAGIC)) != MAGIC:
            raise DamagedBackup("This is no backup of careslot, or one of a newer release.")
        header = file.read(HEADER.size)
        if len(header) < HEADER.size or not 1 <= header[0] <= MAX_LOG_COST:
            raise DamagedBackup("The backup is damaged or incomplete.")
        self._file, self._chunks = file, _ChunkCipher(passphrase, header)
        try:
            self._chunks.decrypt(file.read(TAG_BYTES), is_last=False)
        except DamagedBackup as error:
            raise WrongPassphrase("The pass phrase is wrong.") from error
        self._next, self._buffer, self._is_complete = file.read(CHUNK_BYTES + TAG_BYTES), b"", False

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, fewer only at the end; all that is left for a negative size."""
        while not self._is_complete and (size < 0 or len(self._buffer) < size):
            self._fill()
        size = len(self._buffer) if size < 0 else size
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def require_end(self) -> None:
        """Read the rest. Raises DamagedBackup if the file is incomplete."""
        while not self._is_complete:
            self._fill()
            self._buffer = b""

    def _fill(self) -> None:
        current, self._next = self._next, self._file.read(CHUNK_BYTES + TAG_BYTES)
        self._buffer += self._chunks.decrypt(current, is_last=not self._next)
        self._is_complete = not self._next


class _ChunkCipher:
    """Encrypts or decrypts the chunks of one file, in their order."""

    def __init__(self, passphrase: str, header: bytes) -> None:
        log_cost, salt, self._prefix = HEADER.unpack(header)
        key = Scrypt(salt, KEY_BYTES, 2**log_cost, BLOCK_SIZE, PARALLELISM).derive(passphrase.encode())
        self._cipher, self._header, self._number = AESGCM(key), header, 0

    def encrypt(self, chunk: bytes, *, is_last: bool) -> bytes:
        return self._cipher.encrypt(self._next_nonce(is_last), chunk, MAGIC + self._header)

    def decrypt(self, chunk: bytes, *, is_last: bool) -> bytes:
        try:
            return self._cipher.decrypt(self._next_nonce(is_last), chunk, MAGIC + self._header)
        except (InvalidTag, ValueError):
            raise DamagedBackup("The backup is damaged or incomplete.") from None

    def _next_nonce(self, is_last: bool) -> bytes:
        nonce: bytes = self._prefix + struct.pack(">IB", self._number, is_last)
        self._number += 1
        return nonce
