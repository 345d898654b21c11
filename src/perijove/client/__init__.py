"""What a single-user server or a service needs to know of its hub: who may enter, how to sign in, what to report.

Words: an *identity* is the hub's answer to "whose token is this"; a *sign-in* is one run through the hub's OAuth pages;
a *refusal* is the hub saying no, which is not the same as the hub being *unavailable*.
"""
