"""For tests of the hub and of plug-ins.

A *fake* stands in for a port; a *contract* is the suite that every implementation of a port passes. Only the contract
modules need pytest.
"""
