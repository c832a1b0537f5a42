"""What both backends share: parameter files, data files, and what the hidden neurons do.

Nothing here trains or runs a network, and nothing here imports a framework. The words are
Nielsen's; docs/words.md says which shapes they have.
"""
