"""CIFAR-10 and CIFAR-100 as they are published.

`layouts` says which files, `places` where, `download` gets them, `readers` reads them, `formats` writes them.
"""
