"""The command ``metaenvs bench``: the package and its peers, measured side by side."""
