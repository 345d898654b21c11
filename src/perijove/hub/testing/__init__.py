"""For tests of the hub and of plug-ins: a *fake* stands in for a port, a *contract* is the suite every implementation passes.

Only the contract modules need pytest.
"""
