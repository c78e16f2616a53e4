"""The HTTP service: translations and codes over the network, and a page for readers.

Its doors are those of the loaded translators; it needs the extra `serve`.
"""
