"""Owns the error of what a user asked for and cannot have, under fairseq's commands."""


class Refused(ValueError, SystemExit):
    """What a user asked for and cannot have.

    A ValueError to who calls us. Under fairseq's commands, which catch nothing, Python
    ends with the sentence alone instead of a traceback.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.code = sentence
