"""The tables. Each module has a list ``CASES`` of `attacking.case.Case`, and says which number of the list it is."""
