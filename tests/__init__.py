"""Ours, whatever package of this name lies in site-packages: without this file the other one would be found."""
