"""Weights from the Hugging Face hub."""

from pathlib import Path

from glance3d.errors import WeightsError
from glance3d.models.weights.cards import WeightsCard


def fetch_weights(card: WeightsCard) -> Path:
    """The file from the hub: from its cache if it is there, else fetched (resumable)."""
    if card.source == "embedded":
        raise WeightsError(
            f"the weights of {card.name!r} are not in this installation ({card.filename} is "
            "missing): install Glance3D again, or give a file with weights="
        )
    # Half as many modules as torch has: only who fetches weights waits for them.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
    )

    try:
        return Path(hf_hub_download(card.source, card.filename, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(hf_hub_download(card.source, card.filename))
    except GatedRepoError as error:
        raise WeightsError(
            f"{card.source} wants its licence accepted first: open https://huggingface.co/"
            f"{card.source}, accept, then `hf auth login`"
        ) from error
    except (LocalEntryNotFoundError, EntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise WeightsError(
            f"cannot fetch {card.filename} of {card.source} ({type(error).__name__}): check the "
            "connection, or give a local file with weights="
        ) from error
