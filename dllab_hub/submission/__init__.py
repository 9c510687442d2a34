"""From words to a `TrainingSpec`: what the magics and the ``dllab`` command share."""

from __future__ import annotations

from .access import add_callers, add_key, callers_of, key_of
from .noted import add_notes, notes_of, notes_text
from .options import add_options, add_wish_options, in_words
from .program import Program, filename_for, from_words, several
from .serving import (
    add_autoscale,
    add_canary,
    add_each,
    autoscale_of,
    canary_of,
    each_of,
    replicas_of,
)
from .shared import with_shared
from .submission import Submission, named_by_option, prepare
from .wanted import add_filter, filter_of
from .wish import fields_of, rerun_fields, typed_in
from .words import Words, name_for, split_args, valid_name, whole

__all__ = (
    "Program",
    "Submission",
    "Words",
    "add_autoscale",
    "add_callers",
    "add_canary",
    "add_each",
    "add_filter",
    "add_key",
    "add_notes",
    "add_options",
    "add_wish_options",
    "autoscale_of",
    "callers_of",
    "canary_of",
    "each_of",
    "fields_of",
    "filename_for",
    "filter_of",
    "from_words",
    "in_words",
    "key_of",
    "name_for",
    "named_by_option",
    "notes_of",
    "notes_text",
    "prepare",
    "replicas_of",
    "rerun_fields",
    "several",
    "split_args",
    "typed_in",
    "valid_name",
    "whole",
    "with_shared",
)
