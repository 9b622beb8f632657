"""Signed checkpoints: how large the ledger was and its root, in a form that others verify too.

A checkpoint is a signed note of three lines: whose log, how many leaves, their root.
https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint
"""

import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from firstflight.domain.errors import CheckpointError

_ED25519 = b"\x01"
_PRIVATE = "PRIVATE+KEY+"
_DASH = "\u2014"
_SEED, _ID, _SIGNATURE, _ROOT = 32, 4, 64, 32


def _identity(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_ID]


@dataclass(frozen=True)
class PublicKey:
    """By which a checkpoint is verified; its text is what is handed to whoever audits."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key that `name+id+data` is; raises CheckpointError."""
        name, identity, data = _parts(text.strip(), "a public key is NAME+ID+DATA")
        key = cls(name, data)
        if key.identity.hex() != identity:
            raise CheckpointError(
                f"public key {text.strip()!r} is not what its id {identity} says: copy it again, whole"
            )
        return key

    @property
    def identity(self) -> bytes:
        """Four bytes by which a signature names its key."""
        return _identity(self.name, self.public)

    def __str__(self) -> str:
        return f"{self.name}+{self.identity.hex()}+{b64encode(_ED25519 + self.public).decode()}"

    def signed(self, note: str) -> bool:
        """Return whether a signature below `note` is this key's, and right."""
        text, lines = _split(note)
        for name, raw in lines:
            if name == self.name and raw[:_ID] == self.identity and len(raw) == _ID + _SIGNATURE:
                try:
                    Ed25519PublicKey.from_public_bytes(self.public).verify(raw[_ID:], text.encode())
                except InvalidSignature:
                    return False
                return True
        return False


@dataclass(frozen=True)
class Signer:
    """A private key and the name of the log that it signs for."""

    name: str
    seed: bytes

    @classmethod
    def new(cls) -> Self:
        """Return a key that nobody has, for a log that is called nothing else."""
        return cls(f"firstflight-{secrets.token_hex(4)}", secrets.token_bytes(_SEED))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key that `PRIVATE+KEY+name+id+data` is; raises CheckpointError, which says nothing of the key."""
        if not text.startswith(_PRIVATE):
            raise CheckpointError(f"a private key begins with {_PRIVATE}; this text does not")
        name, identity, data = _parts(text.strip().removeprefix(_PRIVATE), f"a private key is {_PRIVATE}NAME+ID+DATA")
        signer = cls(name, data)
        if signer.public.identity.hex() != identity:
            raise CheckpointError(f"the private key of {name} is not what its id {identity} says: restore it, whole")
        return signer

    @property
    def public(self) -> PublicKey:
        """What verifies what this signs."""
        return PublicKey(self.name, self._key.public_key().public_bytes_raw())

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    def secret(self) -> str:
        """Return the text that `parse` reads: for a private file, and nothing else."""
        data = b64encode(_ED25519 + self.seed).decode()
        return f"{_PRIVATE}{self.name}+{self.public.identity.hex()}+{data}"

    def __repr__(self) -> str:
        return f"Signer({self.name})"

    def sign(self, text: str) -> str:
        """Return `text`, which ends with a line break, as a signed note."""
        signature = b64encode(self.public.identity + self._key.sign(text.encode())).decode()
        return f"{text}\n{_DASH} {self.name} {signature}\n"


@dataclass(frozen=True)
class Checkpoint:
    """What a log that is called `origin` was: its first `size` records, and the root over them."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, note: str) -> Self:
        """Return what the signed note `note` says, whoever signed it; raises CheckpointError."""
        lines = _split(note)[0].split("\n")
        try:
            origin, size, root = lines[0], lines[1], b64decode(lines[2], validate=True)
        except (IndexError, NotBase64) as error:
            raise CheckpointError(f"{note[:200]!r} is no checkpoint: {error}") from error
        if not origin or not size.isascii() or not size.isdigit() or str(int(size)) != size or len(root) != _ROOT:
            raise CheckpointError(f"{note[:200]!r} is no checkpoint: name, size and root of {_ROOT} bytes are wanted")
        return cls(origin, int(size), root)


def opened(note: str, keys: Iterable[PublicKey]) -> Checkpoint:
    """Return what `note` says.

    Raises:
        CheckpointError: It is no checkpoint, or none of `keys`, whose log it is, signed it.
    """
    found = Checkpoint.parse(note)
    if not any(key.signed(note) and key.name == found.origin for key in keys):
        raise CheckpointError(
            f"the checkpoint of {found.origin} at {found.size} records is signed by none of the keys given"
        )
    return found


def notes_in(text: str) -> tuple[str, ...]:
    """Return the signed notes that a file holds one after the other."""
    found: list[str] = []
    lines: list[str] = []
    signed = False
    for line in text.splitlines():
        if signed and not line.startswith(_DASH):
            found.append("\n".join(lines) + "\n")
            lines, signed = [], False
        if line or lines:
            lines.append(line)
        signed = line.startswith(_DASH)
    return (*found, "\n".join(lines) + "\n") if signed else tuple(found)


def _parts(text: str, wanted: str) -> tuple[str, str, bytes]:
    try:
        name, identity, encoded = text.split("+", 2)
        data = b64decode(encoded, validate=True)
    except ValueError as error:
        raise CheckpointError(wanted) from error
    if data[:1] != _ED25519 or len(data) != 1 + _SEED or not name or any(one.isspace() for one in name):
        raise CheckpointError(f"{wanted}, of Ed25519")
    return name, identity, data[1:]


def _split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the signed text of a note, and the signatures below it: whose, and the bytes."""
    text, blank, below = note.rpartition("\n\n")
    if not blank or not below:
        raise CheckpointError(
            f"{note[:200]!r} is no signed note: a blank line and signatures are wanted below the text"
        )
    signatures = []
    for line in below.removesuffix("\n").split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        try:
            signatures.append((name, b64decode(encoded, validate=True)))
        except NotBase64 as error:
            raise CheckpointError(f"{line[:200]!r} is no signature") from error
        if dash != _DASH or not name:
            raise CheckpointError(f"{line[:200]!r} is no signature")
    return f"{text}\n", signatures
