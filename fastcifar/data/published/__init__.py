"""The published files of CIFAR-10 and CIFAR-100: layouts, download, reading, writing."""
