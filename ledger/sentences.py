"""A word that the ledger keeps, and the sentence that people read for it: what alarms and reasons have in common."""

from enum import StrEnum
from typing import Self


class WordWithSentence(StrEnum):
    """Its members are written as `NAME = word, sentence`; a member is equal to its word."""

    sentence: str

    def __new__(cls, word: str, sentence: str) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.sentence = sentence
        return member
