"""The rules of the house that a machine can check: how code is cut, what the stack may touch, how tests behave."""
