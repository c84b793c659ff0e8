"""What must hold wherever Jarvis runs: these tests travel in the archive, with pytest and nothing else."""

import jarvis
from jarvis.archive import resources


def test_migrations_are_numbered_from_one_each_once():
    """In order, too; numbers kept free for work under way leave gaps."""
    numbers = [number for number, _, _ in resources.migrations()]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))


def test_the_source_tree_is_that_of_this_version():
    source = dict(resources.source_files())
    assert f'__version__ = "{jarvis.__version__}"' in source["jarvis/__init__.py"].decode()


def test_the_source_tree_holds_what_a_rebuild_needs():
    source = dict(resources.source_files())
    assert {"build_zipapp.py", "requirements.lock", "jarvis/archive/entry.py"} <= source.keys()


def test_every_resource_is_readable():
    for prefix in resources.ROOTS:
        for name in resources.names(prefix):
            assert isinstance(resources.read_bytes(name), bytes)
