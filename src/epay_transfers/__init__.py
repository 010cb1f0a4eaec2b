"""Transfers from card to card through a bank's API, never twice: `producers` is what a backend and a web tier import.

The rooms beside this file are links to the folders at the top of the repository: a wheel has them here, under one name.
"""
