"""ROOM  raw text ↔ subword indices, without torch and fairseq.

What it gives is what fairseq's tokeniser (sacremoses), subword-nmt and fairseq's
dictionary give, to the character. It is fast because most of it depends on one word
alone and is remembered; a line with a character that it does not know goes to
sacremoses, which is imported only then.
"""
