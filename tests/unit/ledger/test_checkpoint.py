"""Signed notes and checkpoints, by the examples that others publish, and what is refused."""

from base64 import b64decode

import pytest

from firstflight.domain.errors import CheckpointError
from firstflight.ledger.checkpoint import Checkpoint, PublicKey, Signer, notes_in, opened

# https://pkg.go.dev/golang.org/x/mod/sumdb/note: the package's own example, keys included
NEUMANN = PublicKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
NEUMANN_SIGNS = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED = (
    f"{TEXT}\n\u2014 PeterNeumann"
    " x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# A checkpoint of Go's own log, as https://sum.golang.org/latest gave it
GO = PublicKey.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
GO_ROOT = "mb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk="
GO_NOTE = (
    f"go.sum database tree\n6476701\n{GO_ROOT}\n\n\u2014 sum.golang.org"
    " Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=\n"
)
OURS = Signer("log", bytes(range(32)))
HERE = Checkpoint("log", 5, bytes(32))


def test_a_published_note_is_verified_and_signed_alike() -> None:
    """Byte for byte what the reference implementation writes; a changed word is noticed."""
    signer = Signer.parse(NEUMANN_SIGNS)
    assert (NEUMANN, NEUMANN_SIGNS, SIGNED) == (signer.public, signer.secret(), signer.sign(TEXT))
    assert NEUMANN.signed(SIGNED)
    assert not NEUMANN.signed(SIGNED.replace("answer", "answers"))


def test_a_published_checkpoint_is_read() -> None:
    """A real log's: size, root, and whether its key signed them."""
    assert Checkpoint("go.sum database tree", 6476701, b64decode(GO_ROOT)) == Checkpoint.parse(GO_NOTE)
    assert GO.signed(GO_NOTE)
    assert not GO.signed(GO_NOTE.replace("6476701", "6476702"))


def test_a_checkpoint_comes_back_as_it_was_signed() -> None:
    """By the key that signed it, among others, however many signed below."""
    note = OURS.sign(str(HERE))
    assert HERE == opened(note, [NEUMANN, OURS.public])
    assert OURS.public == PublicKey.parse(str(OURS.public))
    assert OURS == Signer.parse(OURS.secret())
    cosigned = note + SIGNED.rpartition("\n\n")[2]
    assert HERE == opened(cosigned, [OURS.public])


def test_a_new_key_is_nobody_elses() -> None:
    """Two keys differ, in the log's name too, and what shows a key on a screen shows no secret."""
    one, other = Signer.new(), Signer.new()
    assert one.name != other.name
    assert one.seed != other.seed
    assert f"Signer({one.name})" == repr(one)


@pytest.mark.parametrize(
    "note",
    [
        OURS.sign(str(HERE)).replace("\n5\n", "\n6\n"),
        Signer("log", bytes(32)).sign(str(HERE)),
        Signer("another", OURS.seed).sign(str(HERE)),
        OURS.sign(str(Checkpoint("another", 5, bytes(32)))),
    ],
    ids=["changed", "another key", "another name", "another log's"],
)
def test_what_no_known_key_signed_is_refused(note: str) -> None:
    """A checkpoint is worth what its signature is."""
    with pytest.raises(CheckpointError, match="signed by none of the keys"):
        opened(note, [OURS.public])


@pytest.mark.parametrize(
    "note",
    ["", "log\n5\n", OURS.sign("log\n5\n"), OURS.sign("log\n05\nAAAA\n"), OURS.sign("log\n-1\nAAAA\n"),
     str(HERE) + "\nsigned, me\n", str(HERE) + "\n\u2014 log !\n"],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    """And it is said what is wanted."""
    with pytest.raises(CheckpointError, match=r"is no (checkpoint|signed note|signature)"):
        Checkpoint.parse(note)


@pytest.mark.parametrize("text", ["", "name", "a+b+c", "log+00000000+AAAA", str(OURS.public)[:-4]])
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    """A key that lost an end is no key."""
    with pytest.raises(CheckpointError, match="public key"):
        PublicKey.parse(text)
    with pytest.raises(CheckpointError, match="private key"):
        Signer.parse(f"PRIVATE+KEY+{text}")


def test_a_key_that_does_not_have_its_id_is_refused() -> None:
    """Somebody exchanged a part of it."""
    with pytest.raises(CheckpointError, match="what its id"):
        PublicKey.parse(str(OURS.public).replace("log+", "lug+", 1))
    with pytest.raises(CheckpointError, match="what its id") as caught:
        Signer.parse(OURS.secret().replace("log+", "lug+", 1))
    assert OURS.secret()[-20:] not in str(caught.value)


def test_a_file_holds_notes_one_after_the_other() -> None:
    """As they were appended, with or without a blank line between; a last one that was cut off is none."""
    one, two = OURS.sign(str(HERE)), OURS.sign(str(Checkpoint("log", 6, bytes(32))))
    assert (one, two) == notes_in(one + two)
    assert (one, two) == notes_in(f"{one}\n{two}\n")
    assert (one,) == notes_in(one + two[:20])
    assert () == notes_in("")
