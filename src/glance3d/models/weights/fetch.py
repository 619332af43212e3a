"""Weights from the Hugging Face hub or a mirror of it: fetched once, verified, offline afterwards.

The hub's own client says what there is and keeps the cache, which other programs share, so that its
variables hold: HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_HUB_OFFLINE. But it throws away
what it has when a program ends before the file does. So the bytes come here first, into a partial
file in the cache that is named by its content: a later run goes on where this one stopped.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING

from glance3d.errors import WeightsError
from glance3d.models.weights.weights_card import WeightsCard
from glance3d.text import visible_text

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

# The client loads a hundred modules: only who fetches weights, or has some in its cache, waits.

logger = logging.getLogger(__name__)

_SHA256 = re.compile("[0-9a-f]{64}")
_CONTENT_NAME = re.compile("[0-9A-Za-z_.-]{8,128}")  # an etag that can be a file's name
_MAX_REASON = 200
_INSTEAD = "or give a local file with weights= (--weights)"


def find_weights(card: WeightsCard) -> Path | None:
    """The file, if it is on this machine: in the package or in the hub's cache."""
    if card.is_embedded:
        return card.embedded_path
    from huggingface_hub import constants  # these alone load nothing else

    if not Path(constants.HF_HUB_CACHE, f"models--{card.source.replace('/', '--')}").is_dir():
        return None
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(card.source, card.filename)
    return Path(path) if isinstance(path, str) else None


def fetch_weights(card: WeightsCard, check: Callable[[Path], None]) -> Path:
    """The file from this machine, else from the hub; what was begun is continued.

    Args:
        card: Which file, and what is recorded of it.
        check: Raises ``WeightsError`` where the file is not one of the network's.

    Raises:
        WeightsError: it cannot be fetched, or is not the file that was expected: it is not kept.
    """
    path = find_weights(card)
    if path is not None:
        return path
    if card.is_embedded:
        raise WeightsError(
            f"the weights of {card.name!r} are not in this installation ({card.filename} is "
            "missing): install Glance3D again, or give a file with weights="
        )
    with _hub_errors(card):
        return _download(card, check)


def verify_weights(card: WeightsCard, path: Path, check: Callable[[Path], None]) -> None:
    """Compare a file with what is recorded of it, and with what the network wants.

    Raises:
        WeightsError: size, SHA-256 or names of tensors differ.
    """
    size = path.stat().st_size
    if card.size_bytes not in (None, size):
        raise WeightsError(
            f"the file of {card.name} must have {card.size_bytes:,} bytes, got {size:,}: delete "
            f"{path} and fetch it again"
        )
    if card.sha256 is not None:
        _check_sha256(card, path, card.sha256)
    check(path)


def _download(card: WeightsCard, check: Callable[[Path], None]) -> Path:
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.utils import WeakFileLock

    url = hf_hub_url(card.source, card.filename)
    metadata = get_hf_file_metadata(url)
    content = _content_name(card, metadata)
    folder = repo_folder_name(repo_id=card.source, repo_type="model")
    file = Path(constants.HF_HUB_CACHE) / folder / "blobs" / content
    lock = Path(constants.HF_HUB_CACHE) / ".locks" / folder / f"{content}.glance3d.lock"
    for place in (file, lock):
        place.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if not file.exists():
            partial = file.with_name(f"{content}.partial{Path(card.filename).suffix}")
            _continue_download(card, url, metadata.size, partial)
            _keep_if_right(card, partial, content, check)
            partial.replace(file)
    return Path(hf_hub_download(card.source, card.filename))  # which names the file in its cache


def _content_name(card: WeightsCard, metadata: "HfFileMetadata") -> str:
    """The file's etag, which is its SHA-256 where the hub keeps large files.

    Raises:
        WeightsError: it is plain before the download that it is another file.
    """
    content = metadata.etag or ""
    if not _CONTENT_NAME.fullmatch(content) or content.startswith(".") or not metadata.commit_hash:
        raise WeightsError(
            f"the server of {card.source} does not say which file {card.filename} is (ETag and "
            "X-Repo-Commit), as the hub does: choose another mirror (HF_ENDPOINT)"
        )
    hashes = bool(_SHA256.fullmatch(content)) and card.sha256 not in (None, content)
    sizes = None not in (card.size_bytes, metadata.size) and card.size_bytes != metadata.size
    if hashes or sizes:
        raise WeightsError(
            f"{card.filename} of {card.source} is not the file that is recorded for {card.name} "
            f"({_recorded(card)}; now {metadata.size:,} bytes, {content[:12]}...): get the "
            "recorded one elsewhere and give it with weights=, or install a newer Glance3D"
        )
    return content


def _recorded(card: WeightsCard) -> str:
    size = "" if card.size_bytes is None else f"{card.size_bytes:,} bytes, "
    return f"{size}SHA-256 {card.sha256[:12]}..." if card.sha256 else size.removesuffix(", ")


def _continue_download(card: WeightsCard, url: str, size: int | None, partial: Path) -> None:
    """Append what is missing; a cut connection is tried again a few times by the client."""
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    if size is not None and partial.exists() and partial.stat().st_size > size:
        partial.unlink()
    with partial.open("ab") as file:
        begun = file.tell()
        amount = "" if size is None else f", {size / 1e6:,.0f} MB"
        go_on = f", going on from {begun / 1e6:,.0f} MB" if begun else ""
        logger.info("fetching %s (%s%s)%s", card.name, url, amount, go_on)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        try:
            http_get(
                url,
                file,
                resume_size=begun,
                headers=headers,
                expected_size=size,
                displayed_filename=card.name,
            )
        except KeyboardInterrupt as stop:
            stop.add_note(f"what has come of {card.name} is kept: fetch it again to go on")
            raise


def _keep_if_right(
    card: WeightsCard, partial: Path, content: str, check: Callable[[Path], None]
) -> None:
    """Delete what is not the file that was expected."""
    try:
        if _SHA256.fullmatch(content):
            _check_sha256(card, partial, content)
        verify_weights(card, partial, check)
    except WeightsError as error:
        partial.unlink()
        raise WeightsError(
            f"what came from {card.source} is not the file of {card.name}, and is deleted: {error}"
        ) from error


def _check_sha256(card: WeightsCard, path: Path, expected: str) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        raise WeightsError(
            f"the SHA-256 of {card.name} must be {expected}, got {actual}: delete {path} and fetch "
            "it again"
        )


@contextmanager
def _hub_errors(card: WeightsCard) -> Iterator[None]:
    """What keeps a file from coming, in one sentence."""
    from huggingface_hub import errors

    try:
        yield
    except (errors.HTTPError, errors.EntryNotFoundError, OSError) as error:
        raise WeightsError(_sentence(card, error)) from error


def _sentence(card: WeightsCard, error: Exception) -> str:
    from huggingface_hub import constants, errors

    where = f"{constants.ENDPOINT}/{card.source}"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return (
            f"{card.name} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: unset "
            f"that, {_INSTEAD}"
        )
    if isinstance(error, errors.GatedRepoError):
        return (
            f"{card.source} wants its licence accepted first: open {where}, accept, then "
            "`hf auth login`"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"there is no repository {where}, or not without a login: check HF_ENDPOINT and "
            f"HF_TOKEN, {_INSTEAD}"
        )
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, FileNotFoundError):
        return f"{where} has no file {card.filename}: check HF_ENDPOINT, {_INSTEAD}"
    if isinstance(error, OSError) and (error.errno == ENOSPC or error.filename is not None):
        return (
            f"{card.name} cannot be written to {constants.HF_HUB_CACHE} ({_reason(error)}): make "
            "room there, or set HF_HOME to another folder"
        )
    return (
        f"cannot fetch {card.filename} of {where} ({_reason(error)}): check the connection and try "
        f"again, which goes on where this stopped, {_INSTEAD}"
    )


def _reason(error: Exception) -> str:
    text = visible_text(" ".join(str(error).split()))[:_MAX_REASON]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
