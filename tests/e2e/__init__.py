"""The whole product in a real browser: a server process of its own, its clock in the tests' hands."""
