"""What pyproject.toml cannot say: the folder search_spaces/ is built in as a folder of the package."""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["fastcifar*"]), "fastcifar.search_spaces"],
    package_dir={"fastcifar.search_spaces": "search_spaces"},
)
