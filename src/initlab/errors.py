"""The mistakes that one sentence explains.

A person at the prompt sees the sentence alone; everything else that goes wrong keeps its traceback.
"""


class InitlabError(Exception):
    """Base of every error whose message is a full answer for the person at the prompt."""


class ConfigError(InitlabError, ValueError):
    """A key, a value or a combination in the configuration is wrong."""


class DataError(InitlabError):
    """A data set is missing, damaged, or not what the configuration says it is."""


class Refused(InitlabError):
    """An init, a norm and a network do not fit together."""
