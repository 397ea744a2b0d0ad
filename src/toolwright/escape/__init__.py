"""The escape suite: attacks go against a box, what each of them got comes out; a new box must hold every one.

`docs/escape.md` says how to test a box of one's own. Nothing here runs in the product.
"""
